/**
 * What a run is made of: acts, each with a system of its own, so that none inherits what another has stored. Groups that
 * need the same millions of keys share an act; durability has three systems at once, of which one is at work.
 */
import { DUPLICATE_SHARES, measureDrain } from './drain/drain.js';
import { measureFlat } from './drain/flat.js';
import { measureDurability, SYNC_INTERVALS } from './durability/durability.js';
import { measureEndToEnd } from './end-to-end/end-to-end.js';
import { measureMemory } from './end-to-end/memory.js';
import { BATCH_SIZES, measureHttpBatch, measureHttpSingle } from './http/http.js';
import type { Group } from './measurement.js';
import type { GroupName } from './options.js';
import { measureQueries } from './query/query.js';
import type { Sizes } from './sizes.js';
import type { Stage } from './stage/stage.js';

/** Told while it happens. */
export interface Tell {
  readonly onTurn: (subject: string, round: number, value: number) => void;
  readonly onProgress: (doing: string) => void;
}

/** Measures on the stages of its act. */
export type Measure = (
  stages: readonly [Stage, ...Stage[]],
  sizes: Sizes,
  tell: Tell,
) => Promise<readonly Group[]>;

/** See the head of this file. */
export interface Act {
  /** One stage for each of them, open at the same time; one with the run's own when left out. */
  readonly syncIntervals?: readonly string[];
  readonly groups: Readonly<Partial<Record<GroupName, readonly Measure[]>>>;
}

const END_TO_END_RATES = [100, 1_000, 5_000] as const;

/** All of them, in the order in which they are measured. */
export const ACTS: readonly Act[] = [
  {
    groups: {
      http: [
        async ([stage], sizes, { onTurn }) => [await measureHttpSingle(stage, sizes, onTurn)],
        ...BATCH_SIZES.map((size): Measure => async ([stage], sizes, { onTurn }) => [
          await measureHttpBatch(stage, sizes, size, onTurn),
        ]),
      ],
    },
  },
  {
    groups: {
      drain: DUPLICATE_SHARES.map((duplicateShare): Measure => async ([stage], sizes, tell) => [
        await measureDrain(stage, sizes, { duplicateShare, ...tell }),
      ]),
    },
  },
  {
    groups: {
      'end-to-end': END_TO_END_RATES.map((rate): Measure => async ([stage], sizes, { onTurn }) => [
        await measureEndToEnd(stage, sizes, rate, onTurn),
      ]),
    },
  },
  {
    groups: {
      query: [([stage], sizes, tell) => measureQueries(stage, sizes, tell)],
      flat: [async ([stage], sizes, tell) => [await measureFlat(stage, sizes, tell)]],
    },
  },
  {
    groups: {
      memory: [async ([stage], sizes, { onProgress }) => [await measureMemory(stage, sizes, onProgress)]],
    },
  },
  {
    syncIntervals: SYNC_INTERVALS,
    groups: { durability: [(stages, sizes, tell) => measureDurability(stages, sizes, tell)] },
  },
];
