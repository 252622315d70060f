/**
 * The history: what every producer asked for and which answer it got, one JSON object per line, in the order it
 * happened.
 *
 *   invoke ─▶ ok     the brokers have every message of it (or said so)
 *          ├▶ fail   it was refused for good; nothing of it may be stored
 *          └▶ info   unknown: no answer, a timeout, 503; it may be stored or not
 *
 * An operation without an end (the judge died) counts as *info*. A batch can have mixed results, so each message of an
 * operation has its own outcome. The whole is *info* when one of them is, and *fail* only when every one is. The words
 * are Jepsen's.
 */
import type { Poison } from '../workload/message.js';

/**
 * How an operation was sent.
 *
 *   http          one event as an object, to `POST /publish`
 *   http_batch    an array there, all or none
 *   http_lenient  an array there, the valid ones
 *   bulk          documents, as clients of Elasticsearch send them
 *   cloudevents   one CloudEvent or a batch, all or none
 *   nats          one event, straight to the brokers
 */
export type Via = HttpVia | 'nats';

/** Those that a gateway takes. */
export type HttpVia = 'http' | 'http_batch' | 'http_lenient' | 'bulk' | 'cloudevents';

/** The outcome of one message of an operation. */
export type Outcome = 'ok' | 'fail' | 'info';

/** One message in a line of the history: `[topic, event_id, variant, poison]`. */
export type SentMessage = readonly [topic: string, eventId: string, variant: number, poison: Poison | null];

/** The end of one message: `[outcome, seq, duplicate]`; `seq` is 0 when there is none. */
export type EndedMessage = readonly [outcome: Outcome, seq: number, duplicate: 0 | 1];

/** A producer asks. */
export interface Invocation {
  readonly type: 'invoke';
  /** Counts from 1 in the whole history. */
  readonly op: number;
  /** Milliseconds since the load began. */
  readonly atMs: number;
  readonly producer: string;
  readonly via: Via;
  readonly messages: readonly SentMessage[];
}

/** A producer gets an answer, or gives up waiting. */
export interface Completion {
  readonly type: Outcome;
  readonly op: number;
  readonly atMs: number;
  /** One for each message of the invocation, in its order. */
  readonly messages: readonly EndedMessage[];
  /** Why it is not *ok*: "503", "ECONNREFUSED", "timeout". */
  readonly reason?: string;
}

/** A line of the history. */
export type Operation = Invocation | Completion;
