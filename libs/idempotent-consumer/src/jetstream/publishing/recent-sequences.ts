/** A generation of this size takes about 5 MB. */
const GENERATION_MAX = 25_000;

/**
 * Remembers recently stored message ids and their sequences: at least the last 25,000, at most the last 50,000.
 *
 * It has two generations instead of one map that drops its oldest entry. A map keeps a hole for each entry that was
 * removed from its front. Finding the next entry would scan all of them.
 */
export class RecentSequences {
  private young = new Map<string, number>();
  private old = new Map<string, number>();

  /** Remembers one. */
  add(messageId: string, seq: number): void {
    if (this.young.size >= GENERATION_MAX) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(messageId, seq);
  }

  /** The sequence of a message id, `undefined` when it is not remembered. */
  sequenceOf(messageId: string): number | undefined {
    return this.young.get(messageId) ?? this.old.get(messageId);
  }
}
