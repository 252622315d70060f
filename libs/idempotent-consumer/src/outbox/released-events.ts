/**
 * Publishes what was released, and what is held behind no dead letter any more.
 *
 *   released dead letters ─▶ a part of the walk over topics and keys ─▶ rest ─▶ …
 *
 * Designs: to search all held events for such ones costs the more, the more are held. To note each key when its dead letter
 * is dropped would be cheap, but a row that an operator deletes by hand would leave its key held for ever. So a walk visits
 * some keys at a time, by one search of the index for each. It takes a tenth of the relay's time at most.
 */
import type { DeadLetterRows, KeyPlace } from './dead-letter-rows.js';
import { FIRST_KEY } from './dead-letter-rows.js';
import type { OutboxRow } from './outbox-row.js';
import type { RelayEvent } from './relay-report.js';
import type { Sent } from './sent-rows.js';

const EVENTS_MAX = 1_000;
const KEYS_MAX = 1_000;
const EVERY_MS = 1_000;
/** After a part of the walk, other rounds come for as many times as long. */
const REST_SHARE = 9;

/** How far a relay has got with it. */
export class ReleasedEvents {
  private fromMs = 0;
  /** Where the walk goes on; `undefined` when it begins. */
  private walkedTo: KeyPlace | undefined;

  constructor(private readonly observe: (event: RelayEvent) => void = () => undefined) {}

  /** Begins again without a rest, as after a notification. */
  hurry(): void {
    this.fromMs = 0;
  }

  /** Ends the walk, as there are no dead letters. */
  forget(): void {
    this.walkedTo = undefined;
  }

  /** How long an idle relay may rest: until the walk goes on, at most. */
  restMs(ms: number): number {
    return this.walkedTo === undefined ? ms : Math.min(ms, Math.max(1, this.fromMs - performance.now()));
  }

  /**
   * Publishes some of them, now and then.
   *
   * @param send publishes rows in order
   * @returns false when some were not taken, and are to be tried again
   */
  async publish(
    deadLetters: DeadLetterRows,
    send: (rows: readonly OutboxRow[]) => Promise<Sent>,
  ): Promise<boolean> {
    const startMs = performance.now();
    if (startMs < this.fromMs) return true;
    for (;;) {
      const rows = await deadLetters.released(EVENTS_MAX);
      if (rows.length === 0) break;
      if (!(await this.settle(deadLetters, rows, await send(rows)))) return false;
    }
    for (;;) {
      const { rows, next } = await deadLetters.freed(this.walkedTo ?? FIRST_KEY, KEYS_MAX, EVENTS_MAX);
      if (rows.length === 0) {
        this.walkedTo = next;
        break;
      }
      if (!(await this.settle(deadLetters, rows, await send(rows)))) return false;
    }
    const nowMs = performance.now();
    this.fromMs = nowMs + (this.walkedTo === undefined ? EVERY_MS : (nowMs - startMs) * REST_SHARE);
    return true;
  }

  private async settle(
    deadLetters: DeadLetterRows,
    rows: readonly OutboxRow[],
    { taken, refused, reason }: Sent,
  ): Promise<boolean> {
    await deadLetters.settleReleased(
      taken,
      refused.map(({ row, reason: why }) => ({ row, state: 'dead', reason: why })),
    );
    if (reason === undefined) return true;
    this.observe({ type: 'not-taken', events: rows.length - taken.length, reason });
    return false;
  }
}
