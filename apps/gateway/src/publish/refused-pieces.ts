/**
 * The refusals of the doors whose clients read only the status of an answer, and write its text into a log.
 *
 * Such a text is short: it names some of the records, and never all of them.
 */
import { problem, ProblemError } from '../problems/problem-error.js';
import type { LineReport } from './line-report.js';

/** Records that a refusal names, at most. */
const NAMED_MAX = 10;

/** The same refusal without its results. Anything else is returned unchanged. */
export function shortened(error: unknown): unknown {
  if (!(error instanceof ProblemError)) return error;
  const { rejected } = error.problem;
  const named = Array.isArray(rejected) ? { rejected: (rejected as unknown[]).slice(0, NAMED_MAX) } : {};
  return new ProblemError({ ...error.problem, results: undefined, ...named }, error.headers, {
    cause: error.cause,
  });
}

/**
 * Refuses a request of which some records are invalid. The others were published.
 *
 * @param status the protocol's own for a record that must not be sent again as it is
 * @throws ProblemError when there is such a record
 */
export function refuseInvalid(report: LineReport, status: number): void {
  const { invalidLines, lines } = report;
  if (invalidLines === 0) return;
  const rejected = report.firstRejected(NAMED_MAX);
  const first = rejected[0]?.errors?.[0]?.message ?? '';
  const detail = `${invalidLines} of ${lines} records were not taken, and the others were. The first one: ${first}.`;
  throw new ProblemError(problem('invalid-records', status, detail, { rejected }));
}
