/** The exit codes of `sekali bench`, as its --help describes them. */
import { WrongSubjectError } from './wrong-subject.js';

const EXIT_WRONG_SUBJECT = 1;
const EXIT_UNMEASURED = 2;
const EXIT_INTERRUPTED = 130;

/** The exit code of a run that threw. An error after an interruption is only a consequence of it. */
export function exitCodeOf(error: unknown, wasInterrupted: boolean): number {
  if (wasInterrupted) return EXIT_INTERRUPTED;
  return error instanceof WrongSubjectError ? EXIT_WRONG_SUBJECT : EXIT_UNMEASURED;
}
