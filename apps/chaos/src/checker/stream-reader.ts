/**
 * Reads the stream for the checker, in order, through a connection of the judge.
 *
 * An attempt that broke is continued behind the last message that was handed on, so that no message comes twice. A
 * lasting failure is reported to the checker, and never thrown.
 */
import { DeliverPolicy, jetstream, jetstreamManager, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Checker } from './checker.js';
import type { StreamMessage } from './evidence.js';
import { eventIdOfMessage } from './message-id.js';
import { errorLine, untilAnswered } from './patience.js';

/** The part of the stream that belongs to the run. */
export interface StreamScope {
  readonly brokers: NatsConnection;
  readonly stream: string;
  /** First token of every subject. */
  readonly subjectPrefix: string;
  /** Topics of the run begin with this. Empty: all of them. */
  readonly topicPrefix: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** How long to try without progress; 30 s when left out. */
  readonly timeoutMs?: number;
}

/** The state of the stream, for the surroundings of a checker. */
export interface StreamState {
  readonly firstSeq: number;
  readonly lastSeq: number;
}

const TIMEOUT_MS = 30_000;
const PAGE_MESSAGES = 2_000;
const PAGE_MS_MAX = 5_000;

/** Asks the brokers for the state of a stream. @throws when there is no answer in time */
export async function readStreamState(
  brokers: NatsConnection,
  stream: string,
  timeoutMs = TIMEOUT_MS,
): Promise<StreamState> {
  const info = await untilAnswered(timeoutMs, async () => {
    const manager = await jetstreamManager(brokers, { checkAPI: false });
    return manager.streams.info(stream);
  });
  return { firstSeq: info.state.first_seq, lastSeq: info.state.last_seq };
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
      const ended = await untilAnswered(scope.timeoutMs ?? TIMEOUT_MS, async () => {
        // An attempt that made progress is followed by a new one with a new time limit.
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
  // A consumer on a broker that lags shows its end too early, so the leader is asked.
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
  // The request asks for the next message at or behind `seq`. The client's type does not know this form.
  const question = { seq: from, next_by_subj: '>' };
  const next = await manager.streams.getMessage(stream, question);
  return next !== null && next.seq <= lastSeq;
}

/** @returns undefined for a message of another producer */
function streamMessage(message: JsMsg, scope: StreamScope): StreamMessage | undefined {
  const { subjectPrefix, topicPrefix } = scope;
  const topic = message.subject.slice(subjectPrefix.length + 1);
  if (!topic.startsWith(topicPrefix)) return undefined;
  const eventId = eventIdOfMessage(topic, message.headers?.get('Nats-Msg-Id') ?? '');
  const variant = variantIn(message);
  return { seq: message.seq, topic, eventId, ...(variant === undefined ? {} : { variant }) };
}

/** The variant in the payload; undefined when the body is not an event. */
function variantIn(message: JsMsg): number | undefined {
  try {
    const { variant } = message.json<{ payload: { variant?: unknown } }>().payload;
    return typeof variant === 'number' ? variant : undefined;
  } catch {
    return undefined;
  }
}
