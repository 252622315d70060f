/**
 * The rate of a drain and the processor time of an event, from samples of the settled messages.
 *
 * Only the steady part counts. Before a tenth is settled, a process starts and its code is not compiled yet. After nine
 * tenths, the last batch is not full.
 */
import { perEventUs, type ProcessorMs, type ProcessorUs, usedBetween } from './processor-time.js';

const FROM_SHARE = 0.1;
const TO_SHARE = 0.9;

/** What was settled at one moment. */
export interface Sample {
  readonly atMs: number;
  readonly settled: number;
  /** Processor time used up to then, where the system has this figure. */
  readonly processorMs?: ProcessorMs | undefined;
}

/**
 * Messages per second between a tenth and nine tenths of `total`, interpolated between the samples around them.
 *
 * @param samples in the order of time; the first below a tenth, the last at nine tenths or more
 * @throws when the samples do not reach that far, or when no time passes between them
 */
export function steadyRate(samples: readonly Sample[], total: number): number {
  const [from, to] = steadyPart(samples, total);
  const rate = (total * (TO_SHARE - FROM_SHARE) * 1_000) / (to.atMs - from.atMs);
  if (!Number.isFinite(rate) || rate <= 0) throw new Error(`no rate between ${from.atMs} and ${to.atMs} ms`);
  return rate;
}

/** Processor time per message in the same part. Undefined when the samples do not have it. Throws as `steadyRate`. */
export function steadyProcessorUs(samples: readonly Sample[], total: number): ProcessorUs | undefined {
  const [from, to] = steadyPart(samples, total);
  if (from.processorMs === undefined || to.processorMs === undefined) return undefined;
  return perEventUs(usedBetween(from.processorMs, to.processorMs), total * (TO_SHARE - FROM_SHARE));
}

function steadyPart(samples: readonly Sample[], total: number): [from: Sample, to: Sample] {
  return [whenReached(samples, total * FROM_SHARE), whenReached(samples, total * TO_SHARE)];
}

function whenReached(samples: readonly Sample[], settled: number): Sample {
  const index = samples.findIndex((sample) => sample.settled >= settled);
  const [before, after] = [samples[index - 1], samples[index]];
  if (before === undefined || after === undefined) {
    throw new Error(`the samples do not pass ${settled} settled messages: begin earlier, or end later`);
  }
  const share = (settled - before.settled) / (after.settled - before.settled);
  const between = (one: number, other: number): number => one + share * (other - one);
  const [first, second] = [before.processorMs, after.processorMs];
  return {
    atMs: between(before.atMs, after.atMs),
    settled,
    processorMs: first &&
      second && {
        program: between(first.program, second.program),
        postgres: between(first.postgres, second.postgres),
        brokers: between(first.brokers, second.brokers),
      },
  };
}
