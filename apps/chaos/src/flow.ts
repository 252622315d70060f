/**
 * Whether the system went on while a majority of brokers was together. Each gateway must acknowledge, and something
 * must be settled.
 *
 *   held ── 12 s to notice and go elsewhere ── judged here ── healing
 *
 * Only faults with `goesOn` are judged: without a majority, silence is the right answer.
 */
import type { FaultRecord } from './nemesis/fault.js';
import type { AcknowledgementGaps } from './report/acknowledgement-gaps.js';
import type { Sample } from './report/timeline.js';

const GRACE_MS = 12_000;
/** A shorter span proves nothing: the load ended, or the fault was interrupted. */
const JUDGED_MS_MIN = 5_000;

/** What was recorded during a run. */
export interface Flow {
  readonly faults: readonly FaultRecord[];
  readonly samples: readonly Sample[];
  readonly byGateway: ReadonlyMap<string, Pick<AcknowledgementGaps, 'longestMs'>>;
  readonly loadEndedAtMs: number;
}

/** The times in which nothing went on, one line each. */
export function stallsOf({ faults, samples, byGateway, loadEndedAtMs }: Flow): string[] {
  return faults
    .filter((fault) => fault.goesOn === true)
    .flatMap((fault) => {
      const fromMs = fault.heldAtMs + GRACE_MS;
      const toMs = Math.min(fault.healingAtMs, loadEndedAtMs);
      if (toMs - fromMs < JUDGED_MS_MIN) return [];
      const during = `during ${fault.name} (${fault.detail}), from ${seconds(fromMs)} to ${seconds(toMs)} s`;
      const silent = [...byGateway]
        .filter(([, gaps]) => isSilent(gaps, fromMs, toMs))
        .map(([url]) => `${url} acknowledged nothing ${during}`);
      return hasSettled(samples, fromMs, toMs) ? silent : [...silent, `nothing was settled ${during}`];
    });
}

/** Gaps are counted in steps, so a silence from end to end is up to two of them shorter. */
function isSilent(gaps: Pick<AcknowledgementGaps, 'longestMs'>, fromMs: number, toMs: number): boolean {
  return gaps.longestMs(fromMs, toMs) > toMs - fromMs - 250;
}

/** Whether more was settled at the end than at the beginning; undefined when the store could not be read. */
function hasSettled(samples: readonly Sample[], fromMs: number, toMs: number): boolean {
  const seen = samples.flatMap(({ atMs, settled }) =>
    atMs >= fromMs && atMs <= toMs && settled !== null ? [settled] : [],
  );
  const [first, last] = [seen.at(0), seen.at(-1)];
  return first === undefined || last === undefined || seen.length === 1 || last > first;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
