import { JetStreamApiError } from '@nats-io/jetstream';
import {
  createInbox,
  errors,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from '@nats-io/nats-core';
import type { PublishWatch } from './publish-watch.js';
import { isUnanswered } from './publish-failure.js';

/** The brokers' answer to a publish. */
export interface Ack {
  /** Sequence of the message, or of the last message of a batch. */
  readonly seq: number;
  readonly duplicate: boolean;
  /** Number of messages in the batch; left out for a single message. */
  readonly count?: number;
}

/** A message to be sent. */
export interface Outgoing {
  readonly subject: string;
  readonly body: string;
  readonly headers: MsgHdrs;
}

/** Called once, with the ack, a `JetStreamApiError`, a `TimeoutError` or a `NoRespondersError`. */
export type OnAnswer = (answer: Ack | Error) => void;

interface Pending {
  readonly subject: string;
  readonly timeoutMs: number;
  readonly endsAt: number;
  readonly onAnswer: OnAnswer;
}

const TIMEOUT_CHECK_MS = 100;
const NO_RESPONDERS = 503;

/**
 * Receives the brokers' answers to all publishes on one subscription.
 *
 * The client's own `publish` makes a request of each message, with a timer and several promises. That costs more than
 * the message. Here the last token of the reply subject leads from an answer to its publish, and one timer finds the
 * publishes that timed out.
 *
 * There is one per publisher, and it does not close the connection.
 */
export class PubAckSubscription {
  private readonly prefix: string;
  private readonly pending = new Map<string, Pending>();
  private subscription: Subscription | undefined;
  private count = 0;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param replyPrefix first tokens of the reply subject; the client's own default when left out
   * @param watch notes whether the broker answers
   */
  constructor(
    private readonly connection: NatsConnection,
    replyPrefix?: string,
    private readonly watch?: PublishWatch,
  ) {
    this.prefix = `${createInbox(replyPrefix)}.`;
  }

  /**
   * Sends messages, and waits for the answer to the last of them.
   *
   * @param onAnswer never called before this returns
   * @throws what the client refuses at once: too large, closed
   */
  send(messages: readonly Outgoing[], timeoutMs: number, onAnswer: OnAnswer): void {
    this.subscription ??= this.connection.subscribe(`${this.prefix}*`, {
      callback: (error, answer) => {
        // A subscription that was refused receives nothing. Its publishes time out, and are tried another way.
        if (!error) this.receive(answer);
      },
    });
    const token = (this.count += 1).toString(36);
    const last = messages.at(-1);
    if (last === undefined) return;
    for (const message of messages) {
      const reply = message === last ? { reply: this.prefix + token } : {};
      this.connection.publish(message.subject, message.body, { headers: message.headers, ...reply });
    }
    const endsAt = performance.now() + timeoutMs;
    this.pending.set(token, { subject: last.subject, timeoutMs, endsAt, onAnswer });
    this.timer ??= setInterval(() => {
      this.expire();
    }, TIMEOUT_CHECK_MS);
  }

  /** Ends the subscription. Nothing may wait for an answer any more, and nothing is sent after it. */
  close(): void {
    this.subscription?.unsubscribe();
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private receive(answer: Msg): void {
    const token = answer.subject.slice(this.prefix.length);
    const pending = this.pending.get(token);
    if (pending === undefined) return;
    this.pending.delete(token);
    const read = readAnswer(answer, pending.subject);
    if (read instanceof Error && isUnanswered(read)) this.watch?.unanswered();
    else this.watch?.answered();
    pending.onAnswer(read);
  }

  private expire(): void {
    const now = performance.now();
    for (const [token, { endsAt, timeoutMs, onAnswer }] of this.pending) {
      if (now < endsAt) continue;
      this.pending.delete(token);
      this.watch?.unanswered(timeoutMs);
      onAnswer(new errors.TimeoutError());
    }
    if (this.pending.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}

function readAnswer(answer: Msg, subject: string): Ack | Error {
  if (answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS)
    return new errors.NoRespondersError(subject);
  try {
    const { seq, duplicate, count, error } = answer.json<{
      seq?: unknown;
      duplicate?: unknown;
      count?: unknown;
      error?: ConstructorParameters<typeof JetStreamApiError>[0];
    }>();
    if (error !== undefined) return new JetStreamApiError(error);
    if (typeof seq === 'number')
      return { seq, duplicate: duplicate === true, ...(typeof count === 'number' ? { count } : {}) };
  } catch {
    // An answer that is not JSON is as good as none.
  }
  return new Error(`the answer to a publish on ${subject} is not one of JetStream's`);
}
