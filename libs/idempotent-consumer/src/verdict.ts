/** A handler throws it for an event that can never be processed. The event becomes a dead letter at once. */
export class Poison extends Error {
  override readonly name = 'Poison';

  /**
   * @param reason a short code under which the dead letter is counted, for example `negative_amount`
   * @param detail a sentence for the operator; the default is the reason
   */
  constructor(
    readonly reason: string,
    detail: string = reason,
  ) {
    super(detail);
  }
}

/**
 * A handler throws it for an event that it cannot process yet. The event is delivered again after exactly
 * this delay, any number of times.
 *
 * No attempt is counted, and the redeliveries do not make the event a suspect. In a handler of batches, the
 * whole batch is delivered again.
 */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';

  /**
   * @param delayMs the delay in milliseconds, 0 or more
   * @throws RangeError for any other number
   */
  constructor(readonly delayMs: number) {
    if (!Number.isFinite(delayMs) || delayMs < 0)
      throw new RangeError(`the delay of RetryLater must be 0 or more milliseconds, and is ${delayMs}`);
    super(`retry after ${delayMs} ms`);
  }
}
