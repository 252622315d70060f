/**
 * What a benchmark measures, and how rounds become a figure.
 *
 * Absolute figures of a shared machine mean nothing: subjects of one group take turns (A B C A B C …), and what counts is
 * the ratio of their medians in the same run.
 */
import type { Sizes } from './sizes.js';
import type { ProcessorUs } from './stage/processor-time.js';

/** Who is measured: Sekali, the same thing written as plainly as possible, and what users do today. */
export type Role = 'ours' | 'ceiling' | 'today';

/** A figure that is better when it is higher (a rate) or lower (a time). */
export type Unit = 'events/s' | 'requests/s' | 'ms' | 'MB';

/** One subject's rounds. */
export interface Series {
  readonly role: Role;
  /** "sekali worker", "bare loop": for the table. */
  readonly subject: string;
  readonly unit: Unit;
  /** One value a round, in the order taken; the warm-up is not among them. */
  readonly values: readonly number[];
  /** Processor time of an event in microseconds, one a round, where it was measured (rates, on Linux). */
  readonly processorUs?: readonly ProcessorUs[];
}

/** What one turn gave. */
export interface Measured {
  readonly value: number;
  readonly processorUs?: ProcessorUs | undefined;
}

/** What ours has to reach, as a ratio of medians. */
export interface Target {
  readonly against: 'ceiling' | 'today';
  /** `atLeast` for rates, `atMost` for times. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What a figure of ours has to stay within, where a ratio would say nothing: a time, or memory. */
export interface Bound {
  /** "median above PubAck + insert": for the table. */
  readonly what: string;
  readonly unit: Unit;
  readonly found: number;
  readonly atMost: number;
}

/** Subjects that were measured against each other. */
export interface Group {
  /** "drain", "http-single": as in `--only`. */
  readonly name: string;
  /** One line for the table. */
  readonly what: string;
  readonly series: readonly Series[];
  readonly targets: readonly Target[];
  readonly bounds?: readonly Bound[];
  /** What else the reader of the table should know, a sentence each. */
  readonly notes?: readonly string[];
}

/** The middle value; of an even number the mean of the two in the middle. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** How far the rounds lie apart, as a share of the median: (max − min) / median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** Median of ours over median of the other; undefined where one was not measured. */
export function ratio(group: Group, against: 'ceiling' | 'today'): number | undefined {
  const ours = group.series.find(({ role }) => role === 'ours');
  const other = group.series.find(({ role }) => role === against);
  if (ours === undefined || other === undefined) return undefined;
  return median(ours.values) / median(other.values);
}

/** Whether a group reaches a target; undefined where it could not be told. */
export function reaches(group: Group, target: Target): boolean | undefined {
  const found = ratio(group, target.against);
  if (found === undefined || Number.isNaN(found)) return undefined;
  return found >= (target.atLeast ?? 0) && found <= (target.atMost ?? Number.POSITIVE_INFINITY);
}

/** One who takes turns with others. */
export interface Turns<V> {
  readonly measure: () => Promise<V>;
}

/** Takes the subjects' turns: the warm-ups, then the rounds that count, one subject after the other. */
export async function interleave<V, T extends Turns<V>>(
  subjects: readonly (T & Turns<V>)[],
  { warmUps, rounds }: Pick<Sizes, 'warmUps' | 'rounds'>,
  /** Rounds below 1 are warm-ups. */
  onValue: (subject: T, round: number, value: V) => void = () => undefined,
): Promise<Map<T, V[]>> {
  const values = new Map<T, V[]>(subjects.map((subject) => [subject, []]));
  for (let round = 1 - warmUps; round <= rounds; round += 1) {
    for (const subject of subjects) {
      const value = await subject.measure();
      if (round > 0) values.get(subject)?.push(value);
      onValue(subject, round, value);
    }
  }
  return values;
}

/** The series of one subject, from what `interleave` gave for it. */
export function seriesOf(
  { role, subject, unit }: Pick<Series, 'role' | 'subject' | 'unit'>,
  turns: readonly Measured[] = [],
): Series {
  const processorUs = turns.flatMap((turn) => turn.processorUs ?? []);
  return {
    role,
    subject,
    unit,
    values: turns.map(({ value }) => value),
    ...(processorUs.length > 0 && { processorUs }),
  };
}
