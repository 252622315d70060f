/** The outcome of shipping a file. */
import type { RefusedEvent } from '../producer.js';

/** Refusals that are kept. */
export const REFUSALS_MAX = 10;

/** The outcome of a file. */
export interface ShipmentResult {
  readonly path: string;
  readonly topic: string;
  lines: number;
  /** As many as lines, unless events have several lines. */
  events: number;
  accepted: number;
  duplicates: number;
  resends: number;
  missing: number;
  refused: number;
  /** Events with the time of the file, because their line has none that is understood. */
  undated: number;
  /** Events of which only the beginning was kept. */
  truncated: number;
  /** Events in which bytes were replaced. */
  replaced: number;
  /** Bytes after the last newline that were not sent. */
  heldBackBytes: number;
  /** Lines of a last event that may go on. */
  heldBackLines: number;
  /** The line at which an interrupted run had ended; 0 from the beginning. */
  resumedAfterLine: number;
  /** The first refusals. */
  readonly refusals: RefusedEvent[];
  /** Why reading ended before the end of the file. */
  failure: string | undefined;
}
