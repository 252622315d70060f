/** How a consumer deals with failures. */
export interface ProcessorSettings {
  /** Attempts of a message, alone, before it becomes a dead letter. The default is 5. */
  readonly attemptsMax: number;
  /** The delay in milliseconds after the first failed attempt. It doubles with each attempt, with jitter. By default 1,000. */
  readonly retryDelayMs: number;
  /** What the operator can do about a message that takes too long. It ends the detail of its dead letter. */
  readonly slowRemedy?: string;
  /**
   * How long one call of the handler may take, in milliseconds. The default is 30,000, or one second more
   * than `transactionMsMax`.
   */
  readonly handlerMsMax?: number;
  /**
   * How long a transaction may take in milliseconds, if the pool's connections set such a bound
   * (`transaction_timeout`). By default they set none.
   */
  readonly transactionMsMax?: number;
  /**
   * For a handler with `orderBy`: how long after the last sign of the process that decides another one goes on, in
   * milliseconds. The default is 5,000.
   */
  readonly leaseMs?: number;
  /**
   * For a handler that only stores. Before a message is given up, a message that was stored is tried once
   * more, in a transaction that is rolled back. If it fails too, the store has a defect, which the consumer
   * waits for. The default is false: each error of the handler is the fault of its message.
   */
  readonly probesStore?: boolean;
}
