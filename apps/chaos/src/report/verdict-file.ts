/** What `verdict.json` has: the content of the summary, for a machine. */
import type { Tally, Verdict, Violation } from '../checker/verdict.js';
import { faultKindsOf, recoveryMaximaOf, type FaultKind, type RecoveryMaxima } from './recovery.js';
import type { RunReport } from './run-report.js';
import type { Recovery, RunDescription } from './timeline.js';

/** The document. Times are milliseconds, sizes bytes. */
export interface VerdictFile {
  readonly valid: Verdict['valid'];
  readonly unknowns: readonly string[];
  readonly violations: readonly Violation[];
  readonly tally: Tally;
  readonly audit: Verdict['audit'] | null;
  readonly run: RunDescription;
  readonly recovery: RecoveryMaxima;
  readonly faultKinds: readonly FaultKind[];
  readonly faults: readonly Recovery[];
  readonly loadEndedAtMs: number;
  readonly drainedAtMs: number | null;
  readonly judgeBytesMax: number;
}

/** The document of a run. */
export function verdictFile({ run, verdict, timeline, judgeBytesMax }: RunReport): VerdictFile {
  return {
    valid: verdict.valid,
    unknowns: verdict.unknowns,
    violations: verdict.violations,
    tally: verdict.tally,
    audit: verdict.audit ?? null,
    run,
    recovery: recoveryMaximaOf(timeline),
    faultKinds: faultKindsOf(timeline.recoveries),
    faults: timeline.recoveries,
    loadEndedAtMs: timeline.loadEndedAtMs,
    drainedAtMs: timeline.drainedAtMs,
    judgeBytesMax,
  };
}
