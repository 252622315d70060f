/** What a run leaves behind: bench.json, from which the chart and the tables of the READMEs come. */
import type { Group } from './measurement.js';
import type { Sizes } from './sizes.js';

/** Where it was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
}

/** See the head of this file. */
export interface BenchDocument {
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** Of all groups but durability. */
  readonly syncInterval: string;
  readonly sizes: Sizes;
  readonly groups: readonly Group[];
}
