/** The consumer was stopped while work waited for Postgres. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
  constructor() {
    super('stopped while waiting for Postgres');
  }
}
