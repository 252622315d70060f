/** The samples of a run over time: the raw material of the recovery figures and of the page. */
import type { FaultRecord } from '../nemesis/fault.js';

/** The state at one moment, taken every half second. Figures are totals since the load began. */
export interface Sample {
  /** Milliseconds since the load began. */
  readonly atMs: number;
  /** When the store was asked for `settled`, which is a figure of some moment between this one and `atMs`. */
  readonly askedAtMs: number;
  /** Messages sent and messages acknowledged up to then. */
  readonly sent: number;
  readonly acknowledged: number;
  /** Messages settled by the store (stored, duplicate, dead letter); null while Postgres cannot be read. */
  readonly settled: number | null;
  /** Messages in the stream that the store has not settled; null while it cannot be read. */
  readonly lag: number | null;
  /** Resident memory of the judge, in bytes. */
  readonly judgeBytes: number;
}

/** How the system recovered after one fault. */
export interface Recovery {
  readonly fault: FaultRecord;
  /**
   * Longest time without an acknowledgement between the fault's start and 30 s after its healing, or the next fault.
   */
  readonly refusedMs: number;
  /** From the healing to the first settled message after it; null when none was seen. */
  readonly resumedMs: number | null;
}

/** The whole run over time. */
export interface Timeline {
  readonly samples: readonly Sample[];
  readonly recoveries: readonly Recovery[];
  /** When the load ended and when the last message was settled; null when that never happened. */
  readonly loadEndedAtMs: number;
  readonly drainedAtMs: number | null;
}

/** What a report says about the run itself. */
export interface RunDescription {
  readonly seed: number;
  readonly minutes: number;
  readonly ratePerSecond: number;
  readonly faults: readonly string[];
  readonly sabotage: string | undefined;
  readonly target: 'own' | 'given';
  readonly startedAt: string;
  /** The command that repeats it. */
  readonly command: string;
}
