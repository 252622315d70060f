/** The data of the page's charts: the samples as columns, the faults in rows, the phases as spans. */
import { tookHold } from './recovery.js';
import type { Recovery, Sample, Timeline } from './timeline.js';

/**
 * A rate is taken over at least this long. Samples may be milliseconds apart after a stall. A batch that comes between
 * two such samples would show as a rate that the system never had.
 */
const RATE_MS_MIN = 1_000;

/** A column of figures; null is a gap. */
export type Column = readonly (number | null)[];

/** A fault as it is drawn. Times are seconds since the load began. */
export interface PageFault {
  /** Its number in the table, from 1. */
  readonly number: number;
  readonly name: string;
  readonly detail: string;
  readonly from: number;
  readonly to: number;
  /** Its row in the chart of faults. */
  readonly row: number;
  readonly held: boolean;
  readonly refusedMs: number;
  readonly resumedMs: number | null;
}

/** A part of the run. Times are seconds since the load began. */
export interface PagePhase {
  readonly name: 'load' | 'heal' | 'drain';
  readonly from: number;
  readonly to: number;
}

/** All data for the script of the page. Times are seconds since the load began, rates per second. */
export interface PageData {
  readonly at: readonly number[];
  readonly sent: Column;
  readonly acknowledged: Column;
  readonly settled: Column;
  readonly lag: Column;
  readonly memoryMiB: Column;
  /** The names of the rows of the chart of faults, from the top. */
  readonly rows: readonly string[];
  readonly faults: readonly PageFault[];
  readonly phases: readonly PagePhase[];
}

/** The data of a run's page. */
export function pageData(timeline: Timeline): PageData {
  const { samples, recoveries } = timeline;
  const { rows, rowOf } = faultRows(recoveries);
  return {
    at: samples.map(({ atMs }) => atMs / 1_000),
    sent: rates(samples, ({ sent }) => sent),
    acknowledged: rates(samples, ({ acknowledged }) => acknowledged),
    settled: rates(
      samples,
      ({ settled }) => settled,
      ({ askedAtMs }) => askedAtMs,
    ),
    lag: samples.map(({ lag }) => lag),
    memoryMiB: samples.map(({ judgeBytes }) => Math.round(judgeBytes / 104_857.6) / 10),
    rows,
    faults: recoveries.map(({ fault, refusedMs, resumedMs }, index) => ({
      number: index + 1,
      name: fault.name,
      detail: fault.detail,
      from: fault.startedAtMs / 1_000,
      to: fault.healedAtMs / 1_000,
      row: rowOf[index] ?? 0,
      held: tookHold(fault),
      refusedMs,
      resumedMs,
    })),
    phases: phasesOf(timeline),
  };
}

/** The parts of a run. There is no healing when every fault was over at the end of the load. */
export function phasesOf({ samples, recoveries, loadEndedAtMs, drainedAtMs }: Timeline): PagePhase[] {
  const healed = Math.max(loadEndedAtMs, ...recoveries.map(({ fault }) => fault.healedAtMs));
  const end = Math.max(healed, drainedAtMs ?? samples.at(-1)?.atMs ?? 0);
  const phases: PagePhase[] = [
    { name: 'load', from: 0, to: loadEndedAtMs / 1_000 },
    { name: 'heal', from: loadEndedAtMs / 1_000, to: healed / 1_000 },
    { name: 'drain', from: healed / 1_000, to: end / 1_000 },
  ];
  return phases.filter(({ from, to }) => to > from);
}

/**
 * The growth of a total per second, since the latest known sample that is at least a second older.
 *
 * It is null when the total is not known, and when no sample is old enough. After a gap it is the mean over the gap.
 *
 * @param since the earliest moment that the total of a sample may be of; so no rate is larger than what was measured
 */
export function rates(
  samples: readonly Sample[],
  total: (sample: Sample) => number | null,
  since: (sample: Sample) => number = ({ atMs }) => atMs,
): Column {
  return samples.map((sample, index) => {
    const now = total(sample);
    if (now === null) return null;
    for (let earlier = index - 1; earlier >= 0; earlier--) {
      const before = samples[earlier];
      const then = before === undefined ? null : total(before);
      if (before === undefined || then === null || sample.atMs - before.atMs < RATE_MS_MIN) continue;
      return Math.round(((now - then) * 1_000) / (sample.atMs - since(before)));
    }
    return null;
  });
}

/** A row for each kind of fault by name, and further rows of that name for overlapping faults of one kind. */
function faultRows(recoveries: readonly Recovery[]): { rows: string[]; rowOf: number[] } {
  const lanes: { readonly name: string; readonly lane: number; freeAtMs: number }[] = [];
  const chosen = recoveries.map(({ fault: { name, startedAtMs, healedAtMs } }) => {
    const own = lanes.filter((lane) => lane.name === name);
    let lane = own.find(({ freeAtMs }) => freeAtMs <= startedAtMs);
    if (!lane) lanes.push((lane = { name, lane: own.length, freeAtMs: 0 }));
    lane.freeAtMs = healedAtMs;
    return lane;
  });
  const ordered = [...lanes].sort((a, b) => a.name.localeCompare(b.name) || a.lane - b.lane);
  return { rows: ordered.map(({ name }) => name), rowOf: chosen.map((lane) => ordered.indexOf(lane)) };
}
