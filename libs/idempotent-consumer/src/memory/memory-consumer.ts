/**
 * A durable consumer in memory: the twin of `DurableConsumer` and of what JetStream does behind it.
 *
 *   published ─request─▶ delivered ─ack, term─▶ settled
 *                            ├─nak─▶ after its delay ─▶ delivered again
 *                            └─nothing within the ack wait─▶ delivered again
 *
 * Deliveries that are due again come before new ones. The oldest request is served first, whichever session
 * it is of. Time is real. Of brokers there is one, so no leader ever changes.
 */
import type { ConsumerState, DeliverySource, SessionEvents } from '../delivery-source.js';
import { MemoryDelivery } from './memory-delivery.js';
import { MemorySession, type Pull } from './memory-session.js';
import type { MemoryStream, StoredMessage } from './memory-stream.js';

/** A message that was delivered and is not settled. */
interface Unsettled {
  readonly message: StoredMessage;
  deliveryCount: number;
  /** When it is delivered again, by the clock of `performance`. */
  dueMs: number;
}

const ACK_WAIT_MS = 30_000;

let named = 0;

/** Tells a consumer from the one before it that had its name. */
function nextName(): string {
  return `${++named}`;
}

/** A durable consumer of a stream. Several engines may use it at a time, as several processes do. */
export class MemoryConsumer implements DeliverySource {
  readonly address: { readonly stream: string; readonly consumer: string };
  readonly broker = undefined;
  private created = nextName();
  private readonly unsettled = new Map<number, Unsettled>();
  private readonly sessions = new Set<MemorySession>();
  private readonly pulls: Pull[] = [];
  private nextSeq = 1;
  private deliveries = 0;
  private isDeleted = false;
  private isServing = false;
  private timer: NodeJS.Timeout | undefined;

  /** @param ackWaitMs how long a delivery may stay unsettled before it is delivered again */
  constructor(
    private readonly stream: MemoryStream,
    name: string,
    private readonly ackWaitMs = ACK_WAIT_MS,
  ) {
    this.address = { stream: stream.name, consumer: name };
    const serve = (): void => {
      this.serveSoon();
    };
    const onDown = (): void => {
      this.loseSessions('the broker does not answer');
    };
    stream.subscribe({ onPublished: serve, onUp: serve, onDown });
  }

  inspect(): Promise<ConsumerState | undefined> {
    return this.ask(() => (this.isDeleted ? undefined : this.state()));
  }

  answered(): void {
    // No other broker could be asked.
  }

  publishedMs(seq: number): Promise<number | undefined> {
    return this.ask(() => this.stream.message(seq)?.publishedAt.getTime());
  }

  lastSeq(): Promise<number> {
    return this.ask(() => this.stream.lastSeq);
  }

  open(events: SessionEvents): MemorySession {
    const session = new MemorySession(events, {
      onRequest: (pull) => {
        this.pulls.push(pull);
        this.serveSoon();
      },
      onEnd: () => this.sessions.delete(session),
    });
    if (this.stream.isDown || this.isDeleted) setImmediate(() => session.lose('503 no responders'));
    else this.sessions.add(session);
    return session;
  }

  giveBack(firstSeq: number, lastSeq: number, _state: ConsumerState, except: ReadonlySet<number>): void {
    for (const [seq, one] of this.unsettled)
      if (seq >= firstSeq && seq <= lastSeq && !except.has(seq)) one.dueMs = performance.now();
    this.serveSoon();
  }

  reset(seq: number): Promise<void> {
    return this.ask(() => {
      this.unsettled.clear();
      this.nextSeq = seq;
      this.deliveries = 0;
      this.serveSoon();
    });
  }

  leadFrom(): Promise<void> {
    return this.ask(() => undefined);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  /** Deletes the consumer: its sessions are lost. */
  delete(): void {
    this.isDeleted = true;
    this.unsettled.clear();
    clearTimeout(this.timer);
    this.loseSessions('409 consumer deleted');
  }

  /**
   * Creates it again after it was deleted: another consumer of the same name, which begins with the first
   * message.
   */
  recreate(): void {
    this.isDeleted = false;
    this.created = nextName();
    this.nextSeq = 1;
    this.deliveries = 0;
  }

  private state(): ConsumerState {
    const { name, identity, firstSeq, lastSeq } = this.stream;
    const deliveredSeq = this.nextSeq - 1;
    return {
      stream: { name, identity, firstSeq, lastSeq, subjects: ['>'], metadata: {}, leader: undefined },
      created: this.created,
      pending: this.stream.countFrom(this.nextSeq),
      ackPending: this.unsettled.size,
      ackFloorSeq: Math.min(deliveredSeq, ...[...this.unsettled.keys()].map((seq) => seq - 1)),
      deliveredSeq,
      deliveryCount: this.deliveries,
      ackWaitMs: this.ackWaitMs,
      isFiltered: false,
      leader: undefined,
    };
  }

  /** As a request to a broker, which is answered later or not at all. */
  private async ask<T>(answer: () => T): Promise<T> {
    await Promise.resolve();
    if (this.stream.isDown) throw new Error('the broker does not answer');
    return answer();
  }

  private loseSessions(reason: string): void {
    this.pulls.length = 0;
    for (const session of [...this.sessions]) session.lose(reason);
  }

  /** Later, as a broker does: no session is called while one of its own methods runs. */
  private serveSoon(): void {
    if (this.isServing || this.isDeleted) return;
    this.isServing = true;
    setImmediate(() => {
      this.isServing = false;
      this.serve();
    });
  }

  private serve(): void {
    while (!this.stream.isDown) {
      const pull = this.oldestPull();
      if (pull === undefined) break;
      const due = this.nextDue();
      const message = due?.message ?? this.stream.firstFrom(this.nextSeq);
      if (message === undefined) break;
      if (message.data.length > pull.bytes) {
        pull.end();
        continue;
      }
      this.deliver(message, due, pull);
    }
    this.wakeWhenDue();
  }

  private oldestPull(): Pull | undefined {
    while (this.pulls[0]?.isOver === true) this.pulls.shift();
    return this.pulls[0];
  }

  /** The delivery that has been due for longest; `undefined` where none is due. */
  private nextDue(): Unsettled | undefined {
    let found: Unsettled | undefined;
    const now = performance.now();
    for (const one of this.unsettled.values())
      if (one.dueMs <= now && one.dueMs < (found?.dueMs ?? Infinity)) found = one;
    return found;
  }

  private deliver(message: StoredMessage, again: Unsettled | undefined, pull: Pull): void {
    const dueMs = performance.now() + this.ackWaitMs;
    const one = again ?? { message, deliveryCount: 0, dueMs };
    one.dueMs = dueMs;
    one.deliveryCount += 1;
    this.deliveries += 1;
    this.unsettled.set(message.seq, one);
    this.nextSeq = Math.max(this.nextSeq, message.seq + 1);
    pull.deliver(
      new MemoryDelivery(message, one.deliveryCount, this.answersTo(message.seq), this.deliveries),
    );
  }

  private answersTo(seq: number): ConstructorParameters<typeof MemoryDelivery>[2] {
    return {
      settle: () => {
        if (!this.stream.isDown) this.unsettled.delete(seq);
      },
      postpone: (ms) => {
        this.postpone(seq, ms);
      },
    };
  }

  /** @param ms `undefined` for another ack wait */
  private postpone(seq: number, ms = this.ackWaitMs): void {
    const one = this.unsettled.get(seq);
    if (one === undefined || this.stream.isDown) return;
    one.dueMs = performance.now() + ms;
    this.serveSoon();
  }

  private wakeWhenDue(): void {
    clearTimeout(this.timer);
    if (this.pulls.length === 0) return;
    let dueMs = Infinity;
    for (const one of this.unsettled.values()) dueMs = Math.min(dueMs, one.dueMs);
    if (dueMs === Infinity) return;
    this.timer = setTimeout(() => this.serveSoon(), Math.max(1, Math.ceil(dueMs - performance.now())));
    this.timer.unref();
  }
}
