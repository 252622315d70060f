import type { Schema } from '../description/operation.js';

/** A kind of problem. */
export interface ProblemDescription {
  readonly status: number;
  /** Statuses that it has at some routes instead, see `ProblemAt`. */
  readonly otherStatuses?: readonly number[];
  /** When it is the answer. */
  readonly when: string;
  /** What the client does. */
  readonly remedy: string;
  /** Its detail in an example. */
  readonly detail: string;
  /** Members beyond those of every problem. */
  readonly members?: Readonly<Record<string, Schema>>;
  /** Members that it always has. */
  readonly always?: readonly string[];
  /** Values of members in the example. */
  readonly example?: Readonly<Record<string, unknown>>;
  /** Headers that it always has. */
  readonly headers?: readonly ('RetryAfter' | 'Challenge')[];
}
