import { DUPLICATE_SHARES, measureDrain } from './drain/drain.js';
import { measureDisk } from './drain/disk.js';
import { measureFlat } from './drain/flat.js';
import { FLAT_LOADS, type FlatLoad } from './drain/flat-loads.js';
import { measureMinuteCounts } from './drain/minute-counts.js';
import { measureWatched, WATCHING } from './drain/watched.js';
import { measureDurability, SYNC_INTERVALS } from './durability/durability.js';
import { measureEndToEnd } from './end-to-end/end-to-end.js';
import { measureMemory } from './end-to-end/memory.js';
import {
  BATCH_SIZES,
  FURTHER_SINGLE_LOADS,
  measureFurtherSingle,
  measureHttpBatch,
  measureHttpDigests,
  measureHttpForms,
  measureHttpRepeats,
  measureHttpSingle,
} from './http/http.js';
import type { Group } from './measurement.js';
import type { GroupName } from './options.js';
import { measureOutbox } from './outbox/outbox.js';
import { measurePublisher, PUBLISHER_LOADS } from './publisher/publisher.js';
import { measureQueries } from './query/query.js';
import type { Sizes } from './sizes.js';
import type { Environment } from './environment/environment.js';

/** What a measurement reports while it is running. */
export interface Reporter {
  readonly onRound: (subject: string, round: number, value: number) => void;
  readonly onProgress: (doing: string) => void;
}

/** Measures groups in the environments of its suite. */
export type Measure = (
  environments: readonly [Environment, ...Environment[]],
  sizes: Sizes,
  reporter: Reporter,
) => Promise<readonly Group[]>;

/**
 * Groups that are measured in one environment: a system of their own, so that no suite inherits what another has
 * stored.
 *
 * The suite of durability has three systems, of which two are idle at any time.
 */
export interface Suite {
  /**
   * One environment is started for each of these intervals. When this is left out, there is one with the run's own
   * interval.
   */
  readonly syncIntervals?: readonly string[];
  readonly groups: Readonly<Partial<Record<GroupName, readonly Measure[]>>>;
}

const END_TO_END_RATES = [100, 1_000, 5_000] as const;

/** All suites, in the order in which they are measured. */
const SUITES: readonly Suite[] = [
  {
    groups: {
      http: [
        async ([environment], sizes, { onRound }) => [await measureHttpSingle(environment, sizes, onRound)],
        ...BATCH_SIZES.map((size): Measure => async ([environment], sizes, { onRound }) => [
          await measureHttpBatch(environment, sizes, size, onRound),
        ]),
        ...FURTHER_SINGLE_LOADS.map((load): Measure => async ([environment], sizes, { onRound }) => [
          await measureFurtherSingle(environment, sizes, load, onRound),
        ]),
        ([environment], sizes, { onRound }) => measureHttpRepeats(environment, sizes, onRound),
        ([environment], sizes, { onRound }) => measureHttpForms(environment, sizes, onRound),
        async ([environment], sizes, { onRound }) => [await measureHttpDigests(environment, sizes, onRound)],
      ],
    },
  },
  {
    groups: {
      drain: DUPLICATE_SHARES.map((duplicateShare): Measure => async ([environment], sizes, reporter) => [
        await measureDrain(environment, sizes, { duplicateShare, ...reporter }),
      ]),
    },
  },
  {
    groups: {
      'end-to-end': END_TO_END_RATES.map((rate): Measure => async ([environment], sizes, { onRound }) => [
        await measureEndToEnd(environment, sizes, rate, onRound),
      ]),
    },
  },
  {
    groups: {
      query: [
        ([environment], sizes, reporter) => measureQueries(environment, sizes, reporter),
        ...WATCHING.map((watching): Measure => async ([environment], sizes, reporter) => [
          await measureWatched(environment, sizes, { watching, ...reporter }),
        ]),
        async ([environment], sizes, reporter) => [await measureMinuteCounts(environment, sizes, reporter)],
      ],
    },
  },
  {
    groups: {
      flat: [
        ...flatMeasures(FLAT_LOADS),
        ([environment], sizes, { onProgress }) => measureDisk(environment, sizes, onProgress),
      ],
    },
  },
  {
    groups: {
      memory: [
        async ([environment], sizes, { onProgress }) => [await measureMemory(environment, sizes, onProgress)],
      ],
    },
  },
  {
    groups: {
      publisher: PUBLISHER_LOADS.map((load): Measure => async ([environment], sizes, { onRound }) => [
        await measurePublisher(environment, sizes, load, onRound),
      ]),
      outbox: [([environment], sizes, reporter) => measureOutbox(environment, sizes, reporter)],
    },
  },
  {
    syncIntervals: SYNC_INTERVALS,
    groups: {
      durability: [(environments, sizes, reporter) => measureDurability(environments, sizes, reporter)],
    },
  },
];

/**
 * All suites, in the order in which they are measured.
 *
 * @param loads the names of the loads of the group flat that are measured, instead of all of them and the disk
 */
export function suites(loads?: readonly string[]): readonly Suite[] {
  if (loads === undefined) return SUITES;
  const flat = flatMeasures(FLAT_LOADS.filter(({ name }) => loads.includes(name)));
  return SUITES.map((suite) => (suite.groups.flat === undefined ? suite : { groups: { flat } }));
}

function flatMeasures(loads: readonly FlatLoad[]): Measure[] {
  return loads.map(
    (load): Measure =>
      ([environment], sizes, reporter) =>
        measureFlat(environment, sizes, { load, ...reporter }),
  );
}
