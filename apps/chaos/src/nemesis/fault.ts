/**
 * What a fault is: a small, seeded thing that is started and healed.
 *
 * `start` resolves when the fault has taken hold, `heal` when what it did is undone (the system may still be busy with
 * recovering). A fault that cannot be applied now throws `FaultNotApplicable`, which the history of faults records.
 */
import type { LossWindow } from '../history/loss-window.js';
import type { Preparation, Target } from '../system/target.js';
import type { Random } from '../workload/random.js';

/** What a fault disturbs. Two faults that touch the same part never overlap. */
export type Part =
  'gateway' | 'worker' | 'brokers' | 'postgres' | 'worker-links' | 'gateway-links' | 'stream';

/** A fault that has taken hold. */
export interface ActiveFault {
  /** What was done to whom: "nats-2, which led the stream". */
  readonly detail: string;
  /** Between which two moments of `performance.now()` an acknowledgement proves nothing; see loss-window.ts. */
  readonly exposed?: { readonly fromAt: number; readonly untilAt: number };
  heal(): Promise<void>;
}

/** A kind of fault. */
export interface Fault {
  /** As in `--faults`: "kill-worker". */
  readonly name: string;
  /** One line for the list in `--help`. */
  readonly what: string;
  readonly touches: readonly Part[];
  /** How long it holds, in milliseconds, drawn evenly from this range. */
  readonly holdMs: readonly [min: number, max: number];
  /** What has to be done to a system before the load, so that the fault is possible. */
  readonly prepares?: Preparation;
  /** Whether most brokers stay together, so that publishing and storing must go on while it holds. */
  readonly goesOn?: boolean;
  /** Bound of its healing, in milliseconds, where that takes longer than the usual 60 s. */
  readonly healMsMax?: number;
  /** Whether the target has what the fault needs. */
  applies(target: Target): boolean;
  start(target: Target, random: Random): Promise<ActiveFault>;
}

/** The fault makes no sense at this moment: nobody leads, nothing runs. */
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
  /** As the fault says: publishing and storing had to go on while it held. */
  readonly goesOn?: boolean;
  /** When what was acknowledged may be lost by it. */
  readonly exposed?: LossWindow;
  /** Why it was not applied, or not healed as it should. */
  readonly problem?: string;
}
