/**
 * One period of pulling from a durable consumer, from the moment it was seen to exist until the first doubt.
 *
 *   open ─pull─▶ pulling ─▶ lost      (heartbeats missed, consumer deleted or moved, nobody answers, stalled)
 *                   └─────▶ closed    (by us)
 *
 * The client's own `consume()` survives doubts in silence: it may take half a minute to pull again after the
 * consumer's leader moved, and it goes on over a consumer that was deleted and made anew, whose sequences mean
 * other messages. Here every doubt ends the session, and whoever opens the next one looks at the consumer first.
 * Demand is explicit as well: never more is asked for than there is room for.
 */
import { createInbox, nanos, type Msg, type NatsConnection, type Subscription } from '@nats-io/nats-core';
import { AckWriter } from './ack-writer.js';
import { JetStreamDelivery } from './jetstream-delivery.js';
import { readUnusualSubjects } from './unusual-subjects.js';

/** Whose messages, and where they go. */
export interface PullSessionOptions {
  readonly stream: string;
  readonly consumer: string;
  /** Where answers come to, when the account allows only that; `_INBOX` otherwise. */
  readonly inboxPrefix: string | undefined;
  /** What the account calls JetStream's API; `$JS.API` otherwise. */
  readonly apiPrefix: string | undefined;
  readonly onDelivery: (delivery: JetStreamDelivery) => void;
  /** A pull ran out: whoever has room may ask again. */
  readonly onPullEnded: () => void;
  /** Called once, unless the session was closed before. */
  readonly onLost: (reason: string) => void;
}

const HEARTBEAT_MS = 1_000;
/** Two heartbeats and a half: one may be late, two in a row are missing. */
const SILENCE_MS_MAX = 2_500;
const EXPIRES_MS = 20_000;
const PULLS_MAX = 4;
/** Asked for at least, so that a message of any size that the brokers take fits into it. */
export const PULL_BYTES_MIN = 2_097_152;

const PULL_IS_FULL = /batch completed|exceeds maxbytes/i;

/** What a pull still owes. */
interface Pull {
  messages: number;
  bytes: number;
}

/** A running session. */
export class PullSession {
  private readonly inbox: string;
  /** Where pulls are asked for. */
  private readonly nextSubject: string;
  private subscription: Subscription;
  private subscriptionCount = 0;
  /** Whether the answers come from another account. */
  private readonly isImported: boolean;
  /** What each pull still owes, oldest first: the server serves them in that order. */
  private readonly pulls = new Map<string, Pull>();
  private pullCount = 0;
  private heardMs = performance.now();
  private lastDeliveredMs = performance.now();
  private ended = false;
  private readonly acks: AckWriter;
  private readonly monitor: NodeJS.Timeout;

  constructor(
    private readonly connection: NatsConnection,
    private readonly options: PullSessionOptions,
  ) {
    readUnusualSubjects();
    this.acks = new AckWriter(connection);
    this.inbox = createInbox(options.inboxPrefix);
    const { apiPrefix = '$JS.API', stream, consumer } = options;
    this.nextSubject = `${apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.isImported = apiPrefix !== '$JS.API';
    this.subscription = this.subscribe();
    this.monitor = setInterval(() => {
      this.listen();
    }, HEARTBEAT_MS / 2);
  }

  /** Deliveries asked for that have not come yet. */
  get requested(): number {
    let sum = 0;
    for (const { messages } of this.pulls.values()) sum += messages;
    return sum;
  }

  private get requestedBytes(): number {
    let sum = 0;
    for (const { bytes } of this.pulls.values()) sum += bytes;
    return sum;
  }

  /** When, by the clock of `performance`, a delivery came last, or some were asked for after a pause. */
  get deliveredMs(): number {
    return this.lastDeliveredMs;
  }

  /** Milliseconds since a delivery came, while some were asked for. */
  get quietMs(): number {
    return this.pulls.size === 0 ? 0 : performance.now() - this.lastDeliveredMs;
  }

  /**
   * Asks for more, when enough is missing to be worth a request.
   *
   * @param room how many deliveries may be under way or unsettled in all, less those that are here already
   * @param roomBytes the same in bytes; the broker ends a pull at the message that would exceed it
   */
  request(room: number, roomBytes: number): void {
    if (this.ended || this.pulls.size >= PULLS_MAX) return;
    const missing = room - this.requested;
    const missingBytes = roomBytes - this.requestedBytes;
    if (missing <= 0 || missingBytes < PULL_BYTES_MIN) return;
    if (this.pulls.size > 0 && (missing < room / 4 || missingBytes < roomBytes / 4)) return;
    const reply = `${this.inbox}.${this.subscriptionCount}.${++this.pullCount}`;
    if (this.pulls.size === 0) this.heardMs = this.lastDeliveredMs = performance.now();
    this.pulls.set(reply, { messages: missing, bytes: missingBytes });
    const body = JSON.stringify({
      batch: missing,
      max_bytes: missingBytes,
      expires: nanos(EXPIRES_MS),
      idle_heartbeat: nanos(HEARTBEAT_MS),
    });
    try {
      this.connection.publish(this.nextSubject, body, { reply });
    } catch (error) {
      this.lose(String(error));
    }
  }

  /** Ends the session because of a doubt. */
  lose(reason: string): void {
    if (this.ended) return;
    this.close();
    this.options.onLost(reason);
  }

  /** Ends the session; what was delivered may still be settled. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.monitor);
    this.subscription.unsubscribe();
  }

  private subscribe(): Subscription {
    return this.connection.subscribe(`${this.inbox}.${++this.subscriptionCount}.*`, {
      callback: (error, message) => {
        if (error) this.lose(error.message);
        else this.receive(message);
      },
    });
  }

  /**
   * Brokers take an empty message for the end of what a request of another account is answered. They go on delivering to
   * that pull, and nothing arrives. Without a subscription they stop: what was on its way comes again after the ack wait.
   */
  private renew(): void {
    void this.subscription.drain().catch(() => undefined);
    this.pulls.clear();
    this.subscription = this.subscribe();
    this.options.onPullEnded();
  }

  private receive(message: Msg): void {
    if (this.ended) return;
    this.heardMs = performance.now();
    // A delivery bears its own subject. Its headers are left as they are: taking them apart would cost as much as the rest.
    if (message.subject.startsWith(this.inbox)) {
      this.receiveStatus(message.headers?.code ?? 0, message.headers?.description ?? '', message.subject);
      return;
    }
    this.lastDeliveredMs = this.heardMs;
    const delivery = new JetStreamDelivery(message, this.acks);
    this.credit(delivery.data.length);
    this.options.onDelivery(delivery);
    if (this.isImported && delivery.data.length === 0 && message.headers === undefined) this.renew();
  }

  private receiveStatus(code: number, description: string, pull: string): void {
    if (code === 100) return;
    this.pulls.delete(pull);
    // How a pull ends that is idle, or full. The word of it may overtake its last deliveries; those are then booked on the
    // next pull, so that for a moment as much again as one pull may be here. Everything else is a doubt.
    const ranOut = code === 404 || code === 408 || (code === 409 && PULL_IS_FULL.test(description));
    if (ranOut) this.options.onPullEnded();
    else this.lose(`${code} ${description || 'no responders'}`);
  }

  private credit(bytes: number): void {
    for (const [reply, pull] of this.pulls) {
      pull.messages -= 1;
      pull.bytes = Math.max(0, pull.bytes - bytes);
      if (pull.messages === 0) this.pulls.delete(reply);
      return;
    }
  }

  private listen(): void {
    if (this.pulls.size === 0) return;
    if (performance.now() - this.heardMs > SILENCE_MS_MAX) this.lose('heartbeats missed');
  }
}
