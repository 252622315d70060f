/** A subject did not do what it said, or did it wrong; its figure would be worth nothing. Ends the run with 1. */
export class WrongSubjectError extends Error {
  override readonly name = 'WrongSubjectError';
}
