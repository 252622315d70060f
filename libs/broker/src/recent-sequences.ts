/** About 5 MB each. */
const GENERATION_MAX = 25_000;

/**
 * Which message ids were stored lately, and under which sequence: the last 25,000 for certain, the last 50,000 at most.
 *
 * Two generations instead of one map that drops its oldest: a map keeps a hole for each entry that was taken from its
 * front, and looks through all of them for the next one.
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
