/** The numbers that one connection may use: 12 digits hold 1,000 connections with as many each. */
const RANGE = 1_000_000_000;
/** How far back a repeat reaches. */
const REPEAT_BACK_MAX = 50;
/** The connection over which another gateway has taken what is repeated through this one. */
export const ELSEWHERE_CONNECTION = 999;

/** What another gateway has taken: the first numbers of `ELSEWHERE_CONNECTION`. */
export interface Elsewhere {
  /** How many there are. */
  readonly events: number;
  /** Connections that repeat them, each beginning at a place of its own. */
  readonly connections: number;
}

/**
 * The numbers of the events that one connection sends. A share of them repeats earlier numbers, all others are new.
 *
 * Connections count in separate ranges. The brokers would refuse a number that is in flight on another connection
 * (10158). Then the baselines would fail as they do not fail in a user's hands.
 */
export class EventNumbers {
  private given = 0;
  private fresh = 0;
  private repeated = 0;

  /**
   * @param connection index of the connection, from 0
   * @param repeatShare the share of the events that are repeats, spread evenly: from 0 to 0.5, and to 1 of `elsewhere`
   * @param elsewhere what is repeated; this connection's own events when it is left out
   */
  constructor(
    private readonly connection: number,
    private readonly repeatShare: number,
    private readonly elsewhere?: Elsewhere,
  ) {}

  /** How many different numbers were given. */
  get different(): number {
    return this.fresh;
  }

  /** The next event's number. */
  next(): number {
    this.given += 1;
    const isRepeat =
      Math.floor(this.given * this.repeatShare) > Math.floor((this.given - 1) * this.repeatShare);
    if (isRepeat && this.elsewhere !== undefined) return this.nextOf(this.elsewhere);
    const base = this.connection * RANGE;
    if (!isRepeat || this.fresh === 0) return base + this.fresh++;
    return base + this.fresh - 1 - (this.given % Math.min(this.fresh, REPEAT_BACK_MAX));
  }

  private nextOf({ events, connections }: Elsewhere): number {
    const start = Math.floor((this.connection * events) / connections);
    return ELSEWHERE_CONNECTION * RANGE + ((start + this.repeated++) % events);
  }
}
