/** Notes whether the brokers answer publishes, so that a connection can leave a broker that does not. */
export interface PublishWatch {
  answered(): void;
  /** @param failingMs how long the request had waited; 0 when left out */
  unanswered(failingMs?: number): void;
}
