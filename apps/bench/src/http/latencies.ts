/** The times of many requests, and the few figures that stand for them. */

/**
 * The value below which a share of the values lies (nearest rank). It is NaN without values. @param share from 0 to 1
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}
