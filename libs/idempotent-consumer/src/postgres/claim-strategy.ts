/**
 * How an inbox claims ids:
 *
 * - `plain`: it inserts the ids. This is the cheapest strategy while nothing is repeated: it saves the 2.9 µs of a
 *   lookup for each event, a twelfth of a drain.
 * - `lookup`: it looks each id up first, and records the repeats of known ones without reading them again. This suits
 *   repeats of stored events. It saves the 1.5 µs of `ON CONFLICT`.
 * - `defer`: in addition, ids that another batch of this process decides on go into a later batch. This suits
 *   repeats shortly after each other, which would otherwise have batches wait for each other in Postgres, with a fifth
 *   of the processors idle.
 * - `wait`: in addition, `ON CONFLICT` waits for other transactions that claim an id at the same moment. This
 *   suits repeats that are spread over workers.
 *
 * In every strategy the unique constraint decides; the strategy affects only the cost.
 */
export type ClaimStrategy = (typeof STRATEGIES)[number];

const STRATEGIES = ['plain', 'lookup', 'defer', 'wait'] as const;
/** A batch that is decided twice costs more than this many batches lose to a careful strategy. */
const KEPT_BATCHES = 64;
const KEPT_BATCHES_MAX = 1_024;

/**
 * Chooses the claim strategy of each batch: the cheapest one that has lately been enough.
 *
 *   plain ──▶ lookup ──▶ defer ──▶ wait        one step further whenever the unique constraint refused a batch
 *
 * A refused batch is decided once more, which doubles its cost, while a careful strategy costs every batch a
 * little. So a strategy that was enough is kept for some batches, and then the one before it is tried. If that
 * one is refused at once, the careful strategy is kept for twice as many batches, up to 1,024.
 *
 * The first batch with `defer` may be refused because of one that began before, whose ids it could not know.
 * That says nothing about `defer`, so it is decided again with the same strategy.
 */
export class ClaimStrategyChoice {
  private level = 0;
  private left = KEPT_BATCHES;
  private kept = KEPT_BATCHES;
  /** Batches that the tried strategy has yet to decide before it counts as enough; 0 when none is tried. */
  private tried = 0;
  /** Whether no batch was decided or refused since the last step further. */
  private isFirst = false;

  /** The strategy for the next batch. */
  get current(): ClaimStrategy {
    return STRATEGIES[this.level] ?? 'wait';
  }

  /**
   * Notes that a batch was refused. Batches that run together are refused together, so only the first refusal
   * counts.
   */
  wasRefused(strategy: ClaimStrategy): void {
    if (strategy === 'defer' && strategy === this.current && this.isFirst) this.isFirst = false;
    else if (strategy === this.current && strategy !== 'wait') {
      this.level++;
      this.isFirst = true;
      this.kept = this.tried > 0 ? Math.min(2 * this.kept, KEPT_BATCHES_MAX) : KEPT_BATCHES;
      this.tried = 0;
    }
    this.left = this.kept;
  }

  /**
   * Notes that a batch was decided. @param hadRepeats whether ids of it were known; it is called only where
   * that matters
   */
  wasAccepted(strategy: ClaimStrategy, hadRepeats: () => boolean): void {
    if (strategy !== this.current) return;
    this.isFirst = false;
    if (this.tried > 0) this.tried--;
    if (strategy === 'plain') return;
    // Without the lookup, each of these batches would have been refused.
    if (strategy === 'lookup' && hadRepeats()) this.left = KEPT_BATCHES;
    else if (--this.left === 0) {
      this.level--;
      this.left = KEPT_BATCHES;
      this.tried = KEPT_BATCHES;
    }
  }
}
