/** What a handler may say of an event, besides that it failed. */

/** Throw it for an event that will never be right: it becomes a dead letter at once. */
export class Poison extends Error {
  override readonly name = 'Poison';

  /**
   * @param reason a short code under which the dead letter is counted, for example `negative_amount`
   * @param detail a sentence for whoever mends it; the reason when left out
   */
  constructor(
    readonly reason: string,
    detail: string = reason,
  ) {
    super(detail);
  }
}

/**
 * Throw it for an event whose time has not come: it is delivered again after exactly this time, as often as this is thrown.
 * No attempt is counted, and that it comes often makes it no suspect. Where the handler takes batches, all of the batch is delivered again.
 */
export class RetryLater extends Error {
  override readonly name = 'RetryLater';

  /**
   * @param delayMs 0 or more
   * @throws RangeError for anything else
   */
  constructor(readonly delayMs: number) {
    if (!Number.isFinite(delayMs) || delayMs < 0) throw new RangeError(`${delayMs} is no delay`);
    super(`again after ${delayMs} ms`);
  }
}
