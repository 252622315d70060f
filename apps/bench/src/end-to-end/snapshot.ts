/** Postgres' snapshots: which transactions a statement sees as committed. */

/** The result of `pg_current_snapshot()`, and a moment just after it was taken. */
export interface Snapshot {
  readonly atUs: number;
  /** Every transaction below this one is over. */
  readonly xmin: number;
  /** No transaction from this one on has begun. */
  readonly xmax: number;
  /** The transactions between the two that were still running. */
  readonly running: ReadonlySet<number>;
}

/** Reads `xmin:xmax:running,running`. Throws `SyntaxError` for anything else. */
export function parseSnapshot(text: string, atUs: number): Snapshot {
  const [, xmin, xmax, running] = /^(\d+):(\d+):([\d,]*)$/.exec(text) ?? [];
  if (xmin === undefined || xmax === undefined) throw new SyntaxError(`not a snapshot: ${text}`);
  const ids = running ? running.split(',').map(Number) : [];
  return { atUs, xmin: Number(xmin), xmax: Number(xmax), running: new Set(ids) };
}

/**
 * When a transaction was first seen as over: the moment of the first snapshot that sees it, `undefined` when none does.
 *
 * @param snapshots in the order in which they were taken; a transaction that is over stays over in all that follow
 */
export function firstSeenUs(snapshots: readonly Snapshot[], transaction: number): number | undefined {
  let [low, high] = [0, snapshots.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sees(snapshots[middle] as Snapshot, transaction)) high = middle;
    else low = middle + 1;
  }
  return snapshots[low]?.atUs;
}

function sees({ xmin, xmax, running }: Snapshot, transaction: number): boolean {
  return transaction < xmin || (transaction < xmax && !running.has(transaction));
}
