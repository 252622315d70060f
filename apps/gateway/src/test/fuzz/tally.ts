/** Counts the inputs of each kind and their results. */

/** Counts inputs. */
export class Tally {
  private readonly kinds = new Map<string, Map<string, number>>();

  /** Counts one input. @param end a status, or a word where there is none */
  count(kind: string, end: string | number): void {
    const ends = this.kinds.get(kind) ?? new Map<string, number>();
    this.kinds.set(kind, ends);
    ends.set(String(end), (ends.get(String(end)) ?? 0) + 1);
  }

  /** Inputs of all kinds. */
  get total(): number {
    return [...this.kinds.values()].reduce((sum, ends) => sum + sumOf(ends), 0);
  }

  /** The table, one line per kind. */
  table(seed: number): string {
    const lines = [...this.kinds.entries()].sort(([one], [other]) => one.localeCompare(other));
    return [
      `fuzz: ${this.total} inputs, seed ${seed}`,
      ...lines.map(
        ([kind, ends]) => `  ${kind.padEnd(26)}${String(sumOf(ends)).padStart(7)}   ${endsText(ends)}`,
      ),
    ].join('\n');
  }
}

function sumOf(ends: ReadonlyMap<string, number>): number {
  return [...ends.values()].reduce((sum, count) => sum + count, 0);
}

function endsText(ends: ReadonlyMap<string, number>): string {
  return [...ends.entries()]
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([end, count]) => `${end}: ${count}`)
    .join(', ');
}
