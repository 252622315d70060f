import type { Group } from './measurement.js';
import type { Sizes } from './sizes.js';

/** The machine that a run measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
}

/** What a run writes as JSON. The chart and the tables of the READMEs are made from it. */
export interface BenchDocument {
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** The brokers' fsync interval in all groups but durability. */
  readonly syncInterval: string;
  readonly sizes: Sizes;
  readonly groups: readonly Group[];
}
