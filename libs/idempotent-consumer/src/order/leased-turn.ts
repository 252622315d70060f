import { setTimeout as pause } from 'node:timers/promises';
import type { ConsumerState } from '../delivery-source.js';
import type { Decoder, Message, PoisonMessage } from '../delivery.js';
import type { Observer } from '../outcome.js';
import type { OutageGate } from '../outage-gate.js';
import type { DeliveryOrder } from './delivery-order.js';
import type { Lease } from './lease.js';
import type { OrderedProcessor } from './ordered-processor.js';
import { OrderLostError } from './order-lost-error.js';
import { ParkedDelivery, type ParkedRow } from './parked-delivery.js';
import type { ParkedEvents, ReadingBounds } from './parked-events.js';
import type { Room } from './room.js';
import type { Turn } from './turn.js';

/** How often another process tries to take the lease. */
const TRY_EVERY_MS = 500;
/** How often the lease is renewed, as a share of how long it lasts. */
const RENEWALS = 4;
/** How often parked events are looked for, at least. An operator may have released some. */
const CHECK_EVERY_MS = 1_000;
const CHECK_MS_MIN = 10;
/**
 * How often parked events are counted, at most. A count reads up to `parkedMax` rows, and checks may follow each other at
 * once. Others are a second apart, so more counts would not make the bound sharper.
 */
const COUNT_EVERY_MS = 500;
/** After this many sessions that did not begin, another process gets its turn. It may reach the brokers. */
const FAILED_MAX = 3;
/** How long this process leaves the lease to others then. */
const LEFT_MS = 3 * TRY_EVERY_MS;

/** What a turn works with. */
export interface LeasedTurnParts<E> {
  /** Creates the tables, where they are missing. */
  readonly prepare: () => Promise<void>;
  readonly lease: Lease;
  readonly processor: OrderedProcessor<E>;
  readonly deliveries: DeliveryOrder;
  readonly parked: ParkedEvents;
  readonly room: Room;
  readonly decode: Decoder<E>;
  readonly gate: OutageGate;
  readonly observe: Observer;
  readonly bounds: ReadingBounds;
}

/**
 * The turn of one process among those of a consumer, by a lease in Postgres.
 *
 *   standby ─lease─▶ process what is due of the parked events ─▶ sessions, and parked events as they become due
 *      ▲                                                             │
 *      └── the lease is lost, or no session begins any more ◀────────┘
 */
export class LeasedTurn<E> implements Turn {
  private ended = new AbortController();
  private working: Promise<unknown> = Promise.resolve();
  private lose: ((reason: string) => void) | undefined;
  private waits = false;
  /** How often the lease was there, and no session began. */
  private failed = 0;
  private countedMs = -Infinity;

  constructor(private readonly parts: LeasedTurnParts<E>) {}

  get isStandby(): boolean {
    return this.waits;
  }

  get isFull(): boolean {
    return this.parts.lease.current !== undefined && this.parts.room.isFull;
  }

  async take(signal: AbortSignal, onStandby: () => void): Promise<void> {
    const { lease, gate } = this.parts;
    if (lease.current !== undefined && ++this.failed <= FAILED_MAX) return;
    this.waits = true;
    await this.end();
    if (this.failed > FAILED_MAX) {
      await gate.pass(() => lease.release());
      await pause(LEFT_MS, undefined, { signal }).catch(() => undefined);
    }
    await this.parts.prepare();
    while (!signal.aborted) {
      if (await gate.pass(() => lease.take())) {
        this.waits = false;
        this.failed = 0;
        await this.begun(signal);
        if (lease.current !== undefined) return;
        // Another process took over meanwhile, and a session would take its deliveries away.
        await this.end();
      }
      this.waits = true;
      onStandby();
      await pause(TRY_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  begin(state: ConsumerState, deliveredSeq: number, lose: (reason: string) => void): void {
    this.failed = 0;
    this.parts.deliveries.begin(state, deliveredSeq);
    this.lose = lose;
  }

  async stop(): Promise<void> {
    await this.end();
    // Without an answer the lease ends by itself.
    await this.parts.lease.release().catch(() => undefined);
  }

  /** @param stopping ends the first check */
  private async begun(stopping: AbortSignal): Promise<void> {
    this.ended = new AbortController();
    // Another process may have parked events meanwhile.
    this.countedMs = -Infinity;
    const { signal } = this.ended;
    const renewing = this.renewUntil(signal);
    // Before the stream goes on: what ends processes is found only if nothing else is decided meanwhile.
    const checking = this.check(stopping);
    this.working = Promise.all([renewing, checking.then(() => this.checkUntil(signal))]);
    await checking;
  }

  private async end(): Promise<void> {
    this.ended.abort();
    await this.working;
  }

  private async renewUntil(signal: AbortSignal): Promise<void> {
    const { lease } = this.parts;
    while (!signal.aborted) {
      await pause(lease.ms / RENEWALS, undefined, { signal }).catch(() => undefined);
      if (this.hasEnded()) return;
      // Each transaction proves the lease, so a renewal without an answer needs no other one.
      const isHeld = await lease.renew().catch(() => true);
      if (isHeld) continue;
      this.lost('another process has taken over the order of this consumer');
      return;
    }
  }

  private async checkUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.parts.lease.current !== undefined) {
      const waitMs = await this.check();
      await pause(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * Processes what is due.
   *
   * @param first given for the check before the first session, which it ends. That check leaves what becomes due
   *   meanwhile: events that are retried as fast as they become due would keep the stream waiting for ever.
   * @returns how long there is nothing to do
   */
  private async check(first?: AbortSignal): Promise<number> {
    const { parked } = this.parts;
    const isOver = (): boolean => this.hasEnded() || first?.aborted === true;
    const beganMs = performance.now();
    try {
      for (;;) {
        const askedMs = performance.now();
        await this.count(askedMs);
        const dueMs = (await parked.dueMs()) ?? Infinity;
        if (dueMs > 0) return Math.max(CHECK_MS_MIN, Math.min(dueMs, CHECK_EVERY_MS));
        const becameDueMeanwhile = -dueMs < askedMs - beganMs;
        if (first !== undefined && becameDueMeanwhile) return CHECK_MS_MIN;
        await this.parts.processor.alone(() => this.processDue(isOver));
        if (isOver()) return CHECK_EVERY_MS;
      }
    } catch (error) {
      if (error instanceof OrderLostError) this.lost(error.message);
      else if (!this.parts.gate.isStopped(error)) this.parts.observe({ type: 'parked-failed', error });
      return CHECK_EVERY_MS;
    }
  }

  private async count(nowMs: number): Promise<void> {
    if (nowMs - this.countedMs < COUNT_EVERY_MS) return;
    const { parked, room } = this.parts;
    room.counted(await parked.count(room.parkedMax));
    this.countedMs = nowMs;
  }

  /** Checked again after every wait, because the answer may have changed. */
  private hasEnded(): boolean {
    return this.ended.signal.aborted;
  }

  private async processDue(isOver: () => boolean): Promise<void> {
    const { parked, bounds, processor } = this.parts;
    const rows = await parked.due(bounds);
    const [first] = rows;
    if (first === undefined) return;
    const retries = rows.filter((row) => row.is_retry).map(({ seq }) => seq);
    await processor.processParked(
      first.stream_id,
      rows.map((row) => this.read(row)),
      new Set(retries),
      isOver,
    );
  }

  /** An event keeps the key under which it was parked. */
  private read(row: ParkedRow): Message<E> | PoisonMessage {
    const delivery = new ParkedDelivery(row);
    const { key: orderKey, topic, event_id: eventId } = row;
    const decoded = this.parts.decode(delivery);
    if (decoded.ok) return { ...decoded.message, orderKey };
    if ('poison' in decoded) return { ...decoded.poison, orderKey };
    const detail = 'the handler is no longer for the subject of this event, which was parked before';
    return { delivery, topic, ...(eventId !== '' && { eventId }), reason: 'unmatched', detail, orderKey };
  }

  private lost(reason: string): void {
    this.parts.lease.lost();
    this.parts.deliveries.lose();
    this.lose?.(reason);
  }
}
