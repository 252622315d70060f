/** A subject did not do its work, or did it wrong, so its figure would be worthless. The run ends with exit code 1. */
export class WrongSubjectError extends Error {
  override readonly name = 'WrongSubjectError';
}
