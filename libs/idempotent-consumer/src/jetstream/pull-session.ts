import { createInbox, nanos, type Msg, type NatsConnection, type Subscription } from '@nats-io/nats-core';
import { PULL_BYTES_MIN } from '../delivery-source.js';
import { AckWriter } from './ack-writer.js';
import { JetStreamDelivery } from './jetstream-delivery.js';
import { readUnusualSubjects } from './unusual-subjects.js';

/** Whose messages a session pulls, and what happens to them. */
export interface PullSessionOptions {
  readonly stream: string;
  readonly consumer: string;
  /** The first tokens of the reply subjects; `_INBOX` when undefined. */
  readonly replyPrefix: string | undefined;
  /** The API prefix of JetStream in the account; `$JS.API` when undefined. */
  readonly apiPrefix: string | undefined;
  readonly onDelivery: (delivery: JetStreamDelivery) => void;
  /** Called when a pull has ended, so that more can be requested. */
  readonly onPullEnded: () => void;
  /** Called once, unless the session was closed before. */
  readonly onLost: (reason: string) => void;
}

const HEARTBEAT_MS = 1_000;
/** Two and a half heartbeats: one may be late, and two in a row are missing. */
const SILENCE_MS_MAX = 2_500;
const EXPIRES_MS = 20_000;
const PULLS_MAX = 4;

const PULL_IS_FULL = /batch completed|exceeds maxbytes/i;

/** What a pull has still to deliver. */
interface Pull {
  messages: number;
  bytes: number;
}

/**
 * One period of pulling from a durable consumer, from an inspection until the first doubt.
 *
 *   open ─pull─▶ pulling ─▶ lost      (heartbeats missed, consumer deleted or moved, no answer, stalled)
 *                   └─────▶ closed    (by its user)
 *
 * The client's own `consume()` survives doubts silently. After a move of the consumer's leader, it may pull
 * again only after half a minute. It also continues with a consumer that was deleted and created again, whose
 * sequences mean other messages. Here every doubt ends the session, and the consumer is inspected before the
 * next one. Demand is explicit as well: a session never requests more than there is room for.
 */
export class PullSession {
  private readonly inbox: string;
  /** The subject to which pull requests are published. */
  private readonly nextSubject: string;
  private subscription: Subscription;
  private subscriptionCount = 0;
  /** Whether the answers come from another account. */
  private readonly isImported: boolean;
  /** What each pull has still to deliver, oldest first. The server serves them in this order. */
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
    this.inbox = createInbox(options.replyPrefix);
    const { apiPrefix = '$JS.API', stream, consumer } = options;
    this.nextSubject = `${apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.isImported = apiPrefix !== '$JS.API';
    this.subscription = this.subscribe();
    this.monitor = setInterval(() => {
      this.listen();
    }, HEARTBEAT_MS / 2);
  }

  /** Requested deliveries that have not arrived yet. */
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

  /**
   * When the last delivery arrived, or deliveries were requested after a pause, by the clock of
   * `performance`.
   */
  get deliveredMs(): number {
    return this.lastDeliveredMs;
  }

  /** Milliseconds since the last delivery while some are requested; 0 while none is. */
  get quietMs(): number {
    return this.pulls.size === 0 ? 0 : performance.now() - this.lastDeliveredMs;
  }

  /**
   * Requests more deliveries, when enough are missing to be worth a request.
   *
   * @param room how many more deliveries this process may hold
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

  /** Ends the session. Its deliveries may still be settled. */
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
   * Subscribes again. Across accounts, brokers mistake an empty message for the last answer to a request: the
   * pull continues, and nothing more arrives. When the subscription ends, the pull ends too. Its deliveries
   * come again after the ack wait.
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
    // A delivery has its own subject. Its headers are not parsed, which would cost as much as all the rest.
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
    // An idle pull and a full pull end like this; any other status is a doubt. The status may overtake the
    // last deliveries of the pull. Those then count for the next pull, so that this process may briefly hold
    // up to one pull more.
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
