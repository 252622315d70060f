/**
 * Where the brokers' answers to publishes come in: one subscription for all of them.
 *
 * The client's own `publish` makes a request of each message, with a timer and several promises; that costs more than
 * the message. Here an answer finds its publish by the last token of the subject it comes on, and one timer looks for
 * those that were not answered in time.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import {
  createInbox,
  errors,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  type Subscription,
} from '@nats-io/nats-core';

/** What the brokers say of a message they have. */
export interface Ack {
  readonly seq: number;
  readonly duplicate: boolean;
}

/** A message on its way. */
export interface Outgoing {
  readonly subject: string;
  readonly body: string;
  readonly headers: MsgHdrs;
}

interface Pending {
  readonly subject: string;
  readonly endsAt: number;
  readonly settle: (answer: Ack | Error) => void;
}

const LOOK_EVERY_MS = 100;
const NO_RESPONDERS = 503;

/** See the head of this file. One per connection, which it does not close. */
export class AckInbox {
  private readonly prefix: string;
  private readonly pending = new Map<string, Pending>();
  private subscription: Subscription | undefined;
  private count = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param inboxPrefix where answers may come to; the client's own default when left out */
  constructor(
    private readonly connection: NatsConnection,
    inboxPrefix?: string,
  ) {
    this.prefix = `${createInbox(inboxPrefix)}.`;
  }

  /**
   * Publishes once and waits for the answer.
   *
   * @param settle called once, and never before this returns: with the ack, a `JetStreamApiError`, a `TimeoutError`, a
   *   `NoRespondersError`
   * @throws what the client refuses at once: too large, closed
   */
  publish(message: Outgoing, timeoutMs: number, settle: (answer: Ack | Error) => void): void {
    this.subscription ??= this.connection.subscribe(`${this.prefix}*`, {
      callback: (error, answer) => {
        // A subscription that was refused answers nobody; the publishes run out of time, and are tried otherwise.
        if (!error) this.receive(answer);
      },
    });
    const token = (this.count += 1).toString(36);
    const { subject, body, headers } = message;
    this.connection.publish(subject, body, { headers, reply: this.prefix + token });
    this.pending.set(token, { subject, endsAt: performance.now() + timeoutMs, settle });
    this.timer ??= setInterval(() => {
      this.look();
    }, LOOK_EVERY_MS);
  }

  private receive(answer: Msg): void {
    const token = answer.subject.slice(this.prefix.length);
    const pending = this.pending.get(token);
    if (pending === undefined) return;
    this.pending.delete(token);
    pending.settle(readAnswer(answer, pending.subject));
  }

  private look(): void {
    const now = performance.now();
    for (const [token, { endsAt, settle }] of this.pending) {
      if (now < endsAt) continue;
      this.pending.delete(token);
      settle(new errors.TimeoutError());
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
    const { seq, duplicate, error } = answer.json<{
      seq?: unknown;
      duplicate?: unknown;
      error?: ConstructorParameters<typeof JetStreamApiError>[0];
    }>();
    if (error !== undefined) return new JetStreamApiError(error);
    if (typeof seq === 'number') return { seq, duplicate: duplicate === true };
  } catch {
    // Not JSON: as little an answer as none.
  }
  return new Error(`the answer to a publish on ${subject} is not one of JetStream's`);
}
