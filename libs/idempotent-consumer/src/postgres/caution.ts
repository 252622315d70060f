/**
 * How carefully an inbox claims ids: as little as has lately been enough.
 *
 *   plain ──▶ looking ──▶ apart ──▶ waiting        a step further whenever the unique constraint refused a batch
 *
 * A batch that is refused is decided once more, which costs as much as it does; the careful ways cost every batch something.
 * So the way that was enough is kept for some batches, and then the one before is tried. In every way it is the constraint
 * that decides: this is about cost alone.
 */

/**
 * - `plain`: the ids are inserted. Cheapest, and right while nothing is repeated.
 * - `looking`: those that are there already are left out, by looking each up. For repeats of what is stored.
 * - `apart`: and those that another batch of this process is deciding on go into a later batch. For repeats that come close
 *   behind each other: waiting in Postgres would put the batches in a queue.
 * - `waiting`: and `ON CONFLICT` waits for whoever else claims an id at the same moment. For repeats spread over workers.
 */
export type ClaimWay = (typeof WAYS)[number];

const WAYS = ['plain', 'looking', 'apart', 'waiting'] as const;
/** Deciding one batch twice costs more than so many lose by being careful. */
const KEPT_BATCHES = 64;

/** Chooses the way of each batch. */
export class Caution {
  private level = 0;
  private left = KEPT_BATCHES;

  /** The way of the next batch. */
  get way(): ClaimWay {
    return WAYS[this.level] ?? 'waiting';
  }

  /** Told that a batch was refused. Batches at work together are refused together: only the first of them counts. */
  wasNotEnough(way: ClaimWay): void {
    if (way === this.way && way !== 'waiting') this.level++;
    this.left = KEPT_BATCHES;
  }

  /** Told that a batch was decided. @param hadRepeats asked, where it matters, whether ids of it were there already */
  wasEnough(way: ClaimWay, hadRepeats: () => boolean): void {
    if (way !== this.way || way === 'plain') return;
    // Without looking, each of these would have been refused.
    if (way === 'looking' && hadRepeats()) this.left = KEPT_BATCHES;
    else if (--this.left === 0) {
      this.level--;
      this.left = KEPT_BATCHES;
    }
  }
}
