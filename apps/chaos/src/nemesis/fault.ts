/**
 * What a fault is: a small, seeded action that is started and healed.
 *
 * `start` resolves when the fault has taken hold. `heal` resolves when its effect is undone, although the system may
 * still be recovering. A fault that cannot be applied now throws `FaultNotApplicable`, which the history of faults
 * records.
 */
import type { LossWindow } from '../history/loss-window.js';
import type { Preparation, Target } from '../system/target.js';
import type { Random } from '../workload/random.js';

/** What a fault disturbs. Two faults that touch the same part never overlap. */
export type Part =
  'gateway' | 'worker' | 'brokers' | 'postgres' | 'worker-links' | 'gateway-links' | 'stream' | 'keys';

/** A fault that has taken hold. */
export interface ActiveFault {
  /** What was done to what: "nats-2, which led the stream". */
  readonly detail: string;
  /** Between which two moments of `performance.now()` an acknowledgement proves nothing; see loss-window.ts. */
  readonly exposed?: { readonly fromAt: number; readonly untilAt: number };
  heal(): Promise<void>;
}

/** A kind of fault. */
export interface Fault {
  /** The name for `--faults`: "kill-worker". */
  readonly name: string;
  /** One line for the list in `--help`. */
  readonly what: string;
  readonly touches: readonly Part[];
  /** How long it holds, in milliseconds, drawn evenly from this range. */
  readonly holdMs: readonly [min: number, max: number];
  /** How a system must be prepared before the load, so that the fault is possible. */
  readonly prepares?: Preparation;
  /** Whether a majority of brokers stays together, so that publishing and storing must go on while it holds. */
  readonly goesOn?: boolean;
  /** Bound of its healing, in milliseconds, when that takes longer than the usual 60 s. */
  readonly healMsMax?: number;
  /** Whether the target has what the fault needs. */
  applies(target: Target): boolean;
  start(target: Target, random: Random): Promise<ActiveFault>;
}

/** The fault makes no sense at this moment: there is no leader, or no process. */
export class FaultNotApplicable extends Error {
  override readonly name = 'FaultNotApplicable';
}

/** One fault as it happened. Times are milliseconds since the load began. */
export interface FaultRecord {
  readonly name: string;
  readonly detail: string;
  readonly startedAtMs: number;
  /** When `start` had resolved. */
  readonly heldAtMs: number;
  /** When `heal` was called, and when it had resolved. */
  readonly healingAtMs: number;
  readonly healedAtMs: number;
  /** The fault's own statement: publishing and storing had to go on while it held. */
  readonly goesOn?: boolean;
  /** The span in which it may lose what is acknowledged. */
  readonly exposed?: LossWindow;
  /** Why it was not applied, or not healed properly. */
  readonly problem?: string;
}
