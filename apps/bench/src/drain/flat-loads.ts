/** The loads of the group `flat`: drains next to stored keys. */
import type { IdForm } from '../environment/event-sequence.js';
import type { Target } from '../measurement.js';

/** What is repeated: nothing, earlier events of the backlog, or events that were stored long ago. */
type Repeats = 'none' | 'recent' | 'old';

/** One drain next to stored keys. */
export interface FlatLoad {
  readonly name: string;
  readonly ids: IdForm;
  readonly repeats: Repeats;
  /** Whether Postgres has a tenth of the keys' bytes as memory. */
  readonly isBounded: boolean;
  readonly targets: readonly Target[];
}

/** All loads in the order in which they are measured. Those without a bound leave the keys in the system's cache. */
export const FLAT_LOADS: readonly FlatLoad[] = [
  load('flat', 'ordered', 'none', false, 0.85),
  load('flat-random', 'random', 'none', false, 0.85),
  load('flat-random-recent', 'random', 'recent', false, 0.85),
  load('flat-random-old', 'random', 'old', false),
  load('flat-bounded', 'random', 'none', true, 0.6),
  load('flat-bounded-recent', 'random', 'recent', true, 0.6),
  load('flat-bounded-old', 'random', 'old', true, 0.3),
];

function load(name: string, ids: IdForm, repeats: Repeats, isBounded: boolean, atLeast?: number): FlatLoad {
  const targets = atLeast === undefined ? [] : [{ against: 'ceiling' as const, atLeast }];
  return { name, ids, repeats, isBounded, targets };
}
