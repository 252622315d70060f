/**
 * Reads the stream for the checker, in order, through a connection of the judge.
 *
 * A broken attempt goes on behind the last message that was handed on, so that none is told twice. Whatever fails for
 * good is told to the checker, and never thrown.
 */
import { DeliverPolicy, jetstream, jetstreamManager, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Checker } from './checker.js';
import type { StreamMessage } from './evidence.js';
import { eventIdOfMessage } from './message-id.js';
import { errorLine, untilAnswered } from './patience.js';

/** What of the stream belongs to the run. */
export interface StreamScope {
  readonly brokers: NatsConnection;
  readonly stream: string;
  /** First token of every subject. */
  readonly subjectPrefix: string;
  /** Topics of the run begin with this. Empty: all of them. */
  readonly topicPrefix: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** How long to try without getting anywhere; 30 s when left out. */
  readonly withinMs?: number;
}

/** The stream as it is, for the surroundings of a checker. */
export interface StreamState {
  /** As its metadata says; the instant of its creation where it says nothing. */
  readonly identity: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** Key of the metadata under which setup writes it. */
const IDENTITY_METADATA = 'sekali.incarnation';
const WITHIN_MS = 30_000;
const PAGE_MESSAGES = 2_000;
const PAGE_MS_MAX = 5_000;

/** Asks the brokers for the state of a stream. @throws when there is no answer in time */
export async function readStreamState(
  brokers: NatsConnection,
  stream: string,
  withinMs = WITHIN_MS,
): Promise<StreamState> {
  const info = await untilAnswered(withinMs, async () => {
    const manager = await jetstreamManager(brokers, { checkAPI: false });
    return manager.streams.info(stream);
  });
  const identity = info.config.metadata?.[IDENTITY_METADATA] ?? info.created;
  return { identity, firstSeq: info.state.first_seq, lastSeq: info.state.last_seq };
}

/** Reads the run's messages that the stream still has. Never throws. */
export async function readStream(
  scope: StreamScope,
  checker: Pick<Checker, 'streamMessage' | 'unreadable'>,
): Promise<void> {
  let at = scope.firstSeq;
  const take = (message: JsMsg): void => {
    const read = streamMessage(message, scope);
    if (read !== undefined) checker.streamMessage(read);
    at = message.seq + 1;
  };
  try {
    while (at <= scope.lastSeq) {
      const begun = at;
      const ended = await untilAnswered(scope.withinMs ?? WITHIN_MS, async () => {
        // An attempt that got somewhere is not to be repeated, but followed by a fresh one, with fresh patience.
        return readOn(scope, at, take).catch((error: unknown) => {
          if (at > begun) return false;
          throw error;
        });
      });
      if (ended) return;
    }
  } catch (error) {
    checker.unreadable('stream', `from sequence ${at} on: ${errorLine(error)}`);
  }
}

/** Reads with one consumer. @returns whether there is nothing more to read */
async function readOn(scope: StreamScope, from: number, take: (message: JsMsg) => void): Promise<boolean> {
  const { brokers, stream, lastSeq } = scope;
  // A consumer that is placed on a broker that lags shows its end too early, so the leader is asked.
  if (!(await hasMore(scope, from))) return true;
  const consumer = await jetstream(brokers).consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: from,
  });
  let next = from;
  try {
    for (let shown = true; shown;) {
      shown = false;
      for await (const message of await consumer.fetch({
        max_messages: PAGE_MESSAGES,
        expires: PAGE_MS_MAX,
      })) {
        if (message.seq <= lastSeq) take(message);
        next = message.seq + 1;
        if (next > lastSeq) return true;
        shown = message.info.pending > 0;
        if (!shown) break;
      }
    }
  } finally {
    await consumer.delete().catch(() => undefined);
  }
  if (!(await hasMore(scope, next))) return true;
  if (next > from) return false;
  throw new Error('the stream has more messages than it shows');
}

/** Whether the leader of the stream has a message from this sequence on, within the run. */
async function hasMore({ brokers, stream, lastSeq }: StreamScope, from: number): Promise<boolean> {
  const manager = await jetstreamManager(brokers, { checkAPI: false });
  // The next one at or behind `seq`; the client's type does not know this question.
  const question = { seq: from, next_by_subj: '>' };
  const next = await manager.streams.getMessage(stream, question);
  return next !== null && next.seq <= lastSeq;
}

/** @returns undefined for a message of somebody else */
function streamMessage(message: JsMsg, scope: StreamScope): StreamMessage | undefined {
  const { subjectPrefix, topicPrefix } = scope;
  const topic = message.subject.slice(subjectPrefix.length + 1);
  if (!topic.startsWith(topicPrefix)) return undefined;
  const eventId = eventIdOfMessage(topic, message.headers?.get('Nats-Msg-Id') ?? '');
  const variant = variantIn(message);
  return { seq: message.seq, topic, eventId, ...(variant === undefined ? {} : { variant }) };
}

/** The variant that the payload tells; undefined where the body is no event. */
function variantIn(message: JsMsg): number | undefined {
  try {
    const { variant } = message.json<{ payload: { variant?: unknown } }>().payload;
    return typeof variant === 'number' ? variant : undefined;
  } catch {
    return undefined;
  }
}
