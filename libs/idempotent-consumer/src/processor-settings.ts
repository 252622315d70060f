/** How a consumer deals with what fails. */

/** Bounds of the processing. */
export interface ProcessorSettings {
  /** Attempts, alone, before a message becomes a dead letter. */
  readonly attemptsMax: number;
  /** First delay before a message that failed alone is delivered again; it doubles, with jitter. */
  readonly retryDelayMs: number;
  /** What to do about a message that takes too long, for the detail of its dead letter. */
  readonly slowRemedy?: string;
  /** How long one call of the handler may take; 30,000 when left out, or a second more than `transactionMsMax`. */
  readonly handlerMsMax?: number;
  /** How long a transaction may take on the connections of the pool, where they carry such a bound (`transaction_timeout`). */
  readonly transactionMsMax?: number;
  /**
   * For a handler that does nothing but store: before a message is given up, one that was stored is tried once more, in a
   * transaction that is rolled back. What fails for that one, too, is a defect of the store, which is waited for. Left out,
   * whatever the handler throws is the fault of its message.
   */
  readonly probesStore?: boolean;
}
