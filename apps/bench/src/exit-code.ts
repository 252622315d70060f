/** How `sekali bench` ends: as its --help says. */
import { WrongSubjectError } from './wrong-subject.js';

const EXIT_WRONG_SUBJECT = 1;
const EXIT_UNMEASURED = 2;
const EXIT_INTERRUPTED = 130;

/** The exit code of a run that threw. What happens after an interruption is only its echo. */
export function exitCodeOf(error: unknown, wasInterrupted: boolean): number {
  if (wasInterrupted) return EXIT_INTERRUPTED;
  return error instanceof WrongSubjectError ? EXIT_WRONG_SUBJECT : EXIT_UNMEASURED;
}
