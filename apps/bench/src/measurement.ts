/**
 * What a benchmark measures, and how rounds become a figure.
 *
 * Absolute figures of a shared machine mean nothing. So the rounds of the subjects of a group alternate (A B C A B C
 * …). What counts is the ratio of their medians in the same run.
 */
import type { Sizes } from './sizes.js';
import type { ProcessorUs } from './environment/processor-time.js';

/** Sekali, the plainest program that does the same, and what users typically write. */
export type Role = 'ours' | 'ceiling' | 'typical';

/** A figure that is better when it is higher (a rate) or lower (a time). */
export type Unit = 'events/s' | 'requests/s' | 'ms' | 'MB';

/** One subject's rounds. */
export interface Series {
  readonly role: Role;
  /** The name for the table: "sekali worker", "baseline loop". */
  readonly subject: string;
  readonly unit: Unit;
  /** One value per round, in the order measured, without the warm-up. */
  readonly values: readonly number[];
  /** Processor time per event in microseconds, one value per round, where it was measured (rates, on Linux). */
  readonly processorUs?: readonly ProcessorUs[];
}

/** The result of one round. */
export interface Measured {
  readonly value: number;
  readonly processorUs?: ProcessorUs | undefined;
}

/** What ours has to reach, as a ratio of medians. */
export interface Target {
  readonly against: 'ceiling' | 'typical';
  /** `atLeast` is for rates, `atMost` for times. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** The bound of a figure of ours, where a ratio would say nothing: a time, or memory. */
export interface Bound {
  /** The name for the table: "median above PubAck + insert". */
  readonly what: string;
  readonly unit: Unit;
  readonly found: number;
  /** `atLeast` is for rates, `atMost` for times and memory. */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Subjects that were measured against each other. */
export interface Group {
  /** The name as in the options: "drain", "http-single". */
  readonly name: string;
  /** One line for the table. */
  readonly what: string;
  readonly series: readonly Series[];
  readonly targets: readonly Target[];
  readonly bounds?: readonly Bound[];
  /** What else the reader of the table should know, one sentence each. */
  readonly notes?: readonly string[];
}

/** The middle value, or the mean of the two in the middle. It is NaN without values. */
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

/** Median of ours over median of the other; undefined when one was not measured. */
export function ratio(group: Group, against: 'ceiling' | 'typical'): number | undefined {
  const ours = group.series.find(({ role }) => role === 'ours');
  const other = group.series.find(({ role }) => role === against);
  if (ours === undefined || other === undefined) return undefined;
  return median(ours.values) / median(other.values);
}

/** Whether a group reaches a target; undefined when that was not measured. */
export function reaches(group: Group, target: Target): boolean | undefined {
  const found = ratio(group, target.against);
  if (found === undefined || Number.isNaN(found)) return undefined;
  return keepsBound(found, target);
}

/** Whether a figure keeps a bound. A difference may be below 0. */
export function keepsBound(
  found: number,
  {
    atLeast = Number.NEGATIVE_INFINITY,
    atMost = Number.POSITIVE_INFINITY,
  }: Pick<Bound, 'atLeast' | 'atMost'>,
): boolean {
  return found >= atLeast && found <= atMost;
}

/** A subject whose rounds alternate with those of others. */
export interface Alternating<V> {
  readonly measure: () => Promise<V>;
}

/** Measures the subjects one after the other, first the warm-ups, then the rounds that count. */
export async function interleave<V, T extends Alternating<V>>(
  subjects: readonly (T & Alternating<V>)[],
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

/** The series of one subject, from what `interleave` returned for it. */
export function seriesOf(
  { role, subject, unit }: Pick<Series, 'role' | 'subject' | 'unit'>,
  rounds: readonly Measured[] = [],
): Series {
  const processorUs = rounds.flatMap((round) => round.processorUs ?? []);
  return {
    role,
    subject,
    unit,
    values: rounds.map(({ value }) => value),
    ...(processorUs.length > 0 && { processorUs }),
  };
}
