/**
 * The numbers of the events that one connection sends: each new, or, for a share of them, one sent before.
 *
 * Connections count in ranges of their own. A number that is under way on another connection would be refused by the
 * brokers (10158), and then the plain subjects would fail where they do not fail in a user's hands.
 */

/** Numbers one connection may use: 12 digits hold 1,000 connections of as many. */
const RANGE = 1_000_000_000;
/** How far back a repeat reaches. */
const REPEAT_BACK_MAX = 50;

/** See the head of this file. */
export class EventNumbers {
  private given = 0;
  private fresh = 0;

  /**
   * @param connection index of the connection, from 0
   * @param repeatShare from 0 to 0.5: so many of the events are repeats, spread evenly
   */
  constructor(
    private readonly connection: number,
    private readonly repeatShare: number,
  ) {}

  /** How many different numbers were given so far. */
  get different(): number {
    return this.fresh;
  }

  /** The next event's number. */
  next(): number {
    this.given += 1;
    const isRepeat =
      Math.floor(this.given * this.repeatShare) > Math.floor((this.given - 1) * this.repeatShare);
    const base = this.connection * RANGE;
    if (!isRepeat || this.fresh === 0) return base + this.fresh++;
    return base + this.fresh - 1 - (this.given % Math.min(this.fresh, REPEAT_BACK_MAX));
  }
}
