import { JetStreamApiError } from '@nats-io/jetstream';
import {
  createInbox,
  errors,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from '@nats-io/nats-core';
import type { BrokerWatch } from './broker-watch.js';
import { isUnanswered } from './publish-failure.js';

/** What the brokers say of what they have. */
export interface Ack {
  /** Sequence of the message; of several, of the last. */
  readonly seq: number;
  readonly duplicate: boolean;
  /** How many were taken together; left out for one by itself. */
  readonly count?: number;
}

/** A message to be sent. */
export interface Outgoing {
  readonly subject: string;
  readonly body: string;
  readonly headers: MsgHdrs;
}

/** Told once: the ack, a `JetStreamApiError`, a `TimeoutError` or a `NoRespondersError`. */
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
 * Where the brokers' answers to publishes come in: one subscription for all of them.
 *
 * The client's own `publish` makes a request of each message, with a timer and several promises; that costs more than
 * the message. Here an answer finds its publish by the last token of the subject it comes on, and one timer looks for
 * those that were not answered in time.
 *
 * One per connection, which it does not close.
 */
export class PubAckSubscription {
  private readonly prefix: string;
  private readonly pending = new Map<string, Pending>();
  private subscription: Subscription | undefined;
  private count = 0;
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param replyPrefix where answers may come to; the client's own default when left out
   * @param watch told whether the broker answers
   */
  constructor(
    private readonly connection: NatsConnection,
    replyPrefix?: string,
    private readonly watch?: Pick<BrokerWatch, 'answered' | 'unanswered'>,
  ) {
    this.prefix = `${createInbox(replyPrefix)}.`;
  }

  /**
   * Sends messages, and hears the answer to the last of them.
   *
   * @param onAnswer never called before this returns
   * @throws what the client refuses at once: too large, closed
   */
  send(messages: readonly Outgoing[], timeoutMs: number, onAnswer: OnAnswer): void {
    this.subscription ??= this.connection.subscribe(`${this.prefix}*`, {
      callback: (error, answer) => {
        // A subscription that was refused answers nobody; the publishes run out of time, and are tried otherwise.
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
    // Not JSON: as little an answer as none.
  }
  return new Error(`the answer to a publish on ${subject} is not one of JetStream's`);
}
