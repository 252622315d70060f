/**
 * The rate of a drain, from samples of how much was settled when.
 *
 * Only the steady part counts: before a tenth of it is settled a process starts and its code is not compiled yet, after
 * nine tenths the last batch is not full.
 */

const FROM_SHARE = 0.1;
const TO_SHARE = 0.9;

/** What was settled at one moment. */
export interface Sample {
  readonly atMs: number;
  readonly settled: number;
}

/**
 * Messages a second between a tenth and nine tenths of `total`, interpolated between the samples around them.
 *
 * @param samples in the order of time; the first below a tenth, the last at nine tenths or more
 * @throws when the samples do not reach that far, or show no time passing
 */
export function steadyRate(samples: readonly Sample[], total: number): number {
  const fromMs = reachedAtMs(samples, total * FROM_SHARE);
  const toMs = reachedAtMs(samples, total * TO_SHARE);
  const rate = (total * (TO_SHARE - FROM_SHARE) * 1_000) / (toMs - fromMs);
  if (!Number.isFinite(rate) || rate <= 0) throw new Error(`no rate between ${fromMs} and ${toMs} ms`);
  return rate;
}

function reachedAtMs(samples: readonly Sample[], settled: number): number {
  const index = samples.findIndex((sample) => sample.settled >= settled);
  const [before, after] = [samples[index - 1], samples[index]];
  if (before === undefined || after === undefined) {
    throw new Error(`the samples do not pass ${settled} settled messages: begin earlier, or end later`);
  }
  const share = (settled - before.settled) / (after.settled - before.settled);
  return before.atMs + share * (after.atMs - before.atMs);
}
