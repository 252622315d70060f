/** The consumer was stopped while it waited. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
  constructor() {
    super('stopped while waiting for Postgres');
  }
}
