import { setTimeout as pause } from 'node:timers/promises';
import type { EventOutcome, NotTakenReason } from '../producer/event-publisher.js';
import { advance, type RelayPosition } from './open-numbers.js';
import type { OutboxRow, SetAside } from './outbox-row.js';
import { segmentOf } from './outbox-tables.js';
import type { OutboxRelayOptions } from './relay-options.js';
import type { RelayHealth } from './relay-report.js';
import { IDLE_MS_MAX, RelaySession } from './relay-session.js';
import { ReleasedEvents } from './released-events.js';
import { type Sent, sentOf, UNSENT } from './sent-rows.js';

const BATCH_SIZE = 1_000;
const BATCH_SIZE_MAX = 5_000;
const POLL_MS = 1_000;
/** Far below what ends an idle session. */
const POLL_MS_MAX = 10_000;
const STANDBY_MS = 1_000;
const BUSY_POLL_MS = 10;
const AWAKE_MS = 100;
const FAILED_PAUSE_MS = 200;
const FAILED_PAUSE_MS_MAX = 5_000;
const EMPTY_EVERY_MS = 1_000;
const OPEN_RANGES_MAX = 10_000;
const STOP_MS_MAX = 2_000;
/** A process that stood still for longer may have lost the lock, and asks before it publishes. */
const STALE_MS = IDLE_MS_MAX / 2;

/**
 * Publishes the events of an outbox after their commit, in order per topic.
 *
 *   standing by ─lock─▶ leading: read ─▶ publish ─▶ save ─▶ read … ─nothing─▶ asleep ─NOTIFY or poll─▶ read
 *        ▲                  └──────── error ────────┐
 *        └──────────────────────────────────────────┘
 *
 * Any number of relays may run. One publishes, because the order of a topic allows no second one, and the others stand by.
 * It holds an advisory lock on the connection of all its statements, so a relay that lost the lock can save nothing.
 *
 * Nothing is lost: the position is saved after the brokers have the events. A relay that dies in between leaves them to the
 * next one, which publishes them again under the same message ids. The brokers drop these within their duplicate window,
 * and an inbox drops them after it.
 *
 * An outage is waited for. Only what the brokers refuse becomes a dead letter: an event that is too large or invalid, or one
 * that is refused while others are taken. When all are refused, it is the fault of the relay's user or of the stream, and
 * the relay waits for a repair. That may begin in the middle of a round. So an event that was taken is sent again, and the
 * answer tells whose fault it is:
 *
 *   refused ─▶ too large, invalid ──────────────────────────▶ dead letter
 *      └─────▶ one that was taken, sent again ─taken─────────▶ dead letter
 *                                  └─not taken, or none was──▶ the relay waits
 */
export class OutboxRelay {
  private state: RelayHealth['state'] = 'stopped';
  private published = 0;
  private blockedSinceMs: number | undefined;
  private readonly ending = new AbortController();
  /** Aborted when the round takes too long for a stop. */
  private readonly abandoning = new AbortController();
  private running: Promise<void> | undefined;
  private wake: (() => void) | undefined;
  private isNotified = false;
  private readonly releasedEvents: ReleasedEvents;
  /** Rows of the round that are done, although the round is not. */
  private readonly done = new Set<number>();
  /** The last of them of each topic. */
  private readonly lastTaken = new Map<string, OutboxRow>();

  constructor(private readonly options: OutboxRelayOptions) {
    this.releasedEvents = new ReleasedEvents(options.observe);
  }

  /** Begins to relay. It waits for Postgres and the brokers by itself. */
  start(): void {
    this.running ??= this.run();
  }

  /**
   * Finishes the round, and gives up the lock. A relay that was stopped is not started again: create another one.
   *
   * @param timeoutMs after this time the round is abandoned, as in an outage of the brokers. Another relay publishes its
   *   events again, under the same message ids. The default is 2,000
   */
  async stop(timeoutMs = STOP_MS_MAX): Promise<void> {
    this.ending.abort();
    this.wake?.();
    const timer = setTimeout(() => {
      this.abandoning.abort();
    }, timeoutMs);
    await this.running;
    clearTimeout(timer);
  }

  /** Whether it gets on. */
  health(): RelayHealth {
    const { state, published, blockedSinceMs } = this;
    return {
      state,
      published,
      blockedMs: blockedSinceMs === undefined ? 0 : performance.now() - blockedSinceMs,
    };
  }

  /** Nest calls it. */
  onApplicationBootstrap(): void {
    this.start();
  }

  /** Nest calls it, before it stops publishers. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.stop();
  }

  private async run(): Promise<void> {
    let pauseMs = FAILED_PAUSE_MS;
    while (!this.ending.signal.aborted) {
      try {
        await this.session();
        pauseMs = FAILED_PAUSE_MS;
      } catch (error) {
        if (this.abandoning.signal.aborted) break;
        if (this.state === 'leading') pauseMs = FAILED_PAUSE_MS;
        this.state = 'failing';
        this.options.observe?.({ type: 'failed', error });
        await this.rest(pauseMs);
        pauseMs = Math.min(FAILED_PAUSE_MS_MAX, pauseMs * 2);
      }
    }
    this.state = 'stopped';
  }

  /** Relays on one connection, until it breaks or the relay is stopped. */
  private async session(): Promise<void> {
    const { pool, outbox } = this.options;
    const onNotified = (): void => {
      this.isNotified = true;
      this.wake?.();
    };
    const session = await RelaySession.open(pool, outbox.tables, onNotified, this.abandoning.signal);
    try {
      this.state = 'standing-by';
      while (!(await session.lead())) {
        this.blockedSinceMs = undefined;
        if (this.ending.signal.aborted) return;
        await this.rest(STANDBY_MS);
      }
      this.state = 'leading';
      this.options.observe?.({ type: 'leading' });
      this.forgetRound();
      await this.lead(session);
    } finally {
      session.close();
    }
  }

  private async lead(session: RelaySession): Promise<void> {
    const pollMs = Math.min(this.options.pollMs ?? POLL_MS, POLL_MS_MAX);
    let position = await session.position();
    let idleSinceMs: number | undefined;
    let isAsleep = false;
    let pauseMs = BUSY_POLL_MS;
    const ring = { segment: -1, isLeft: true, fromMs: 0 };
    while (!this.ending.signal.aborted) {
      const round = await this.round(session, position);
      if (round.result !== 'blocked') this.blockedSinceMs = undefined;
      else this.blockedSinceMs ??= performance.now();
      if (round.position !== position) {
        await session.stayAwake();
        isAsleep = false;
      }
      ({ position } = round);
      await this.emptySegments(session, position, ring);
      if (round.result === 'done') {
        idleSinceMs = undefined;
        pauseMs = BUSY_POLL_MS;
        continue;
      }
      if (round.result === 'blocked') {
        await this.rest(pauseMs);
        pauseMs = Math.min(pollMs, pauseMs * 2);
        continue;
      }
      idleSinceMs ??= performance.now();
      if (performance.now() - idleSinceMs < AWAKE_MS) {
        await this.rest(BUSY_POLL_MS);
      } else if (!isAsleep) {
        // The next round finds what was added meanwhile without a notification.
        await session.fallAsleep();
        isAsleep = true;
        pauseMs = BUSY_POLL_MS;
      } else {
        // An event whose transaction began before the relay was asleep comes without a notification, too.
        await this.rest(this.releasedEvents.restMs(pauseMs));
        pauseMs = Math.min(pollMs, pauseMs * 2);
      }
    }
  }

  /** Empties what is behind the relay: now and then, while something is left. */
  private async emptySegments(
    session: RelaySession,
    position: RelayPosition,
    ring: { segment: number; isLeft: boolean; fromMs: number },
  ): Promise<void> {
    const segment = segmentOf(position.passed);
    if (segment !== ring.segment) ring.isLeft = true;
    if (!ring.isLeft || performance.now() < ring.fromMs) return;
    ring.segment = segment;
    const { isLeft, error } = await session.emptySegments(position);
    ring.isLeft = isLeft;
    ring.fromMs = performance.now() + EMPTY_EVERY_MS;
    if (error !== undefined) this.options.observe?.({ type: 'failed', error });
  }

  /** `done`: events were published, and there may be more. `idle`: there were none. `blocked`: some were not taken. */
  private async round(
    session: RelaySession,
    position: RelayPosition,
  ): Promise<{ readonly position: RelayPosition; readonly result: 'done' | 'idle' | 'blocked' }> {
    const { observe } = this.options;
    const batchSize = Math.min(this.options.batchSize ?? BATCH_SIZE, BATCH_SIZE_MAX);
    const isFull = position.open.length >= OPEN_RANGES_MAX;
    if (isFull) observe?.({ type: 'transactions-open', ranges: position.open.length });
    const { rows, reading, hasDeadLetters } = await session.read(position, batchSize, !isFull);
    const send = (released: readonly OutboxRow[]): Promise<Sent> => this.send(session, released);
    if (!hasDeadLetters) this.releasedEvents.forget();
    else if (!(await this.releasedEvents.publish(session.deadLetters, send)))
      return { position, result: 'blocked' };
    const aside: SetAside[] = [];
    const fresh = rows.filter(({ number }) => !this.done.has(number));
    const sent = hasDeadLetters ? await this.withoutHeld(session, fresh, aside) : fresh;
    if (!(await this.publish(session, sent, aside))) return { position, result: 'blocked' };
    const next = advance(position, reading);
    const isIdle = rows.length === 0;
    if (isIdle && next.open.length === position.open.length)
      return { position, result: isFull ? 'blocked' : 'idle' };
    const saved = await session.save(next, aside);
    this.forgetRound();
    for (const { row, state, reason } of aside)
      if (state === 'dead')
        observe?.({ type: 'dead-letter', topic: row.topic, eventId: row.eventId, reason });
    return { position: saved, result: isIdle ? 'idle' : 'done' };
  }

  /** Publishes rows. @returns false when some were not taken, and are to be tried again */
  private async publish(
    session: RelaySession,
    rows: readonly OutboxRow[],
    aside: SetAside[],
  ): Promise<boolean> {
    for (let rest = rows; rest.length > 0;) {
      const { taken, refused, behind, reason } = await this.send(session, rest);
      for (const row of taken) {
        this.done.add(row.number);
        this.lastTaken.set(row.topic, row);
      }
      const cause = reason ?? (await this.commonCause(session, refused));
      if (cause !== undefined) {
        this.options.observe?.({ type: 'not-taken', events: rest.length - taken.length, reason: cause });
        return false;
      }
      for (const { row, reason: why } of refused) aside.push({ row, state: 'dead', reason: why });
      rest = this.withoutBlocked(behind, (row) => refused.some((one) => isSameKey(one.row, row)), aside);
    }
    return true;
  }

  /**
   * Why rows were refused, where it is not their own fault. To tell, a row that was taken is sent again, of the same topic
   * where there is one.
   *
   * @returns `undefined` when each is refused for what it is
   */
  private async commonCause(
    session: RelaySession,
    refused: Sent['refused'],
  ): Promise<NotTakenReason | undefined> {
    const unclear = refused.filter(({ reason }) => !OF_THE_EVENT.has(reason));
    const [first] = unclear;
    if (first === undefined) return undefined;
    const [[, anyTaken] = []] = this.lastTaken;
    if (anyTaken === undefined) return first.reason;
    const witnesses = new Set(unclear.map(({ row }) => this.lastTaken.get(row.topic) ?? anyTaken));
    const again = await this.outcomesOf(session, [...witnesses]);
    return again.flatMap((outcome) => ('reason' in outcome ? [outcome.reason] : []))[0];
  }

  private forgetRound(): void {
    this.done.clear();
    this.lastTaken.clear();
  }

  private async send(session: RelaySession, rows: readonly OutboxRow[]): Promise<Sent> {
    const outcomes = await this.outcomesOf(session, rows);
    const sent = sentOf(rows, outcomes);
    this.published += sent.taken.length;
    if (sent.taken.length > 0) this.options.observe?.({ type: 'published', events: sent.taken.length });
    return sent;
  }

  private async outcomesOf(session: RelaySession, rows: readonly OutboxRow[]): Promise<EventOutcome[]> {
    if (performance.now() - session.answeredAtMs > STALE_MS)
      throw new Error(
        'this process stood still, so that another relay may publish now: the session begins again',
      );
    const { signal } = this.abandoning;
    if (signal.aborted) return rows.map(() => UNSENT);
    return new Promise((resolve, reject) => {
      const abandon = (): void => {
        resolve(rows.map(() => UNSENT));
      };
      signal.addEventListener('abort', abandon);
      this.options.publisher
        .sendInOrder(rows)
        .then(resolve, reject)
        .finally(() => {
          signal.removeEventListener('abort', abandon);
        });
    });
  }

  /** The rows that no dead letter of their key is before. The others are set aside. */
  private async withoutHeld(
    session: RelaySession,
    rows: readonly OutboxRow[],
    aside: SetAside[],
  ): Promise<readonly OutboxRow[]> {
    const keyed = rows.filter(({ key }) => key !== null);
    if (this.options.onDeadLetter !== 'hold' || keyed.length === 0) return rows;
    const isBlocked = await session.deadLetters.blockedAmong(keyed);
    return this.withoutBlocked(rows, isBlocked, aside);
  }

  private withoutBlocked(
    rows: readonly OutboxRow[],
    isBlocked: (row: OutboxRow) => boolean,
    aside: SetAside[],
  ): readonly OutboxRow[] {
    if (this.options.onDeadLetter !== 'hold') return rows;
    return rows.filter((row) => {
      const isHeld = isBlocked(row);
      if (isHeld)
        aside.push({ row, state: 'held', reason: 'an event of its key before it is a dead letter' });
      return !isHeld;
    });
  }

  /** Waits until it is notified, or for some milliseconds. */
  private async rest(ms: number): Promise<void> {
    const woken = new AbortController();
    this.wake = () => {
      woken.abort();
    };
    if (!this.isNotified && !this.ending.signal.aborted)
      await pause(ms, undefined, { signal: woken.signal }).catch(() => undefined);
    this.wake = undefined;
    if (this.isNotified) this.releasedEvents.hurry();
    this.isNotified = false;
  }
}

/** Reasons for which an event is refused whatever happens to others. */
const OF_THE_EVENT: ReadonlySet<NotTakenReason> = new Set(['too_large', 'invalid']);

function isSameKey(one: OutboxRow, other: OutboxRow): boolean {
  return one.key !== null && one.key === other.key && one.topic === other.topic;
}
