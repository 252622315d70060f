/** This process may not go on in the order of the stream. Its session ends, and the next one begins in order again. */
export class OrderLostError extends Error {
  override readonly name: string = 'OrderLostError';
}

/** Another process has the lease by now, so nothing of this transaction may be committed. */
export class LeaseLostError extends OrderLostError {
  override readonly name = 'LeaseLostError';
  constructor() {
    super('another process has taken over the order of this consumer');
  }
}
