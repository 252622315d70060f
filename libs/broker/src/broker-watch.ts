/** Takes a connection from its broker to another. */
export interface Mover {
  /**
   * When the last move ended, on the clock of `performance.now`, whichever caller asked for it. It is -Infinity before
   * the first.
   */
  readonly movedAtMs: number;
  /**
   * Resolves with the name of the broker that the connection then has, or with `undefined` when it reached none in
   * time.
   */
  moveOn(): Promise<string | undefined>;
}

/** Options of a `BrokerWatch`. */
export interface BrokerWatchOptions {
  /** Called after each move, with how long requests had failed and which broker the connection has now. */
  readonly onMoved?: ((failingMs: number, broker: string | undefined) => void) | undefined;
  /** How long requests may fail before the first move. The default is 4 s, because an election rarely takes longer. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 4_000;
const PATIENCE_MS_MAX = 32_000;
/** One lost answer proves nothing. */
const FAILURES_MIN = 2;

/**
 * Notices that the broker of a connection is useless although its TCP connection stands.
 *
 *   answered ─unanswered─▶ failing ─for too long─▶ move on to the next broker ─unanswered─▶ failing (longer) ─▶ …
 *       ▲                     │                                │
 *       └──────answered───────┴────────────────────────────────┘
 *
 * A broker that is cut off from the others keeps its clients, but answers none of their requests. It has no leader, no
 * responders, or a leader without a quorum. The client library changes brokers only when TCP fails. While all brokers
 * are without a leader, moving does not help. So each move in vain doubles the time to the next.
 *
 * Queries and publishes have a watch each. A leader that was cut off still answers queries from memory for some
 * seconds, although it can take no publish. A move that one watch began also counts for the other. Otherwise the other
 * watch would leave the new broker at once, and the next broker may be the one that is cut off.
 */
export class BrokerWatch {
  private failures = 0;
  private failingSinceMs = 0;
  /** The start of the failures that count for the next move: the first failure, or the last move. */
  private countedSinceMs = 0;
  private patienceMs: number;
  private moving = false;

  constructor(
    private readonly mover: Mover,
    private readonly options: BrokerWatchOptions = {},
  ) {
    this.patienceMs = this.firstPatienceMs;
  }

  /** How long requests have been failing; 0 while they are answered. */
  get failingMs(): number {
    return this.failures < FAILURES_MIN ? 0 : performance.now() - this.failingSinceMs;
  }

  /** Notes that a request was answered, even with a refusal that only a working cluster gives. */
  answered(): void {
    if (this.failures === 0) return;
    this.failures = 0;
    this.patienceMs = this.firstPatienceMs;
  }

  /**
   * Notes that a request was not answered, or had no responders. This may start a move.
   *
   * @param waitedMs how long the request waited for its answer
   */
  unanswered(waitedMs = 0): void {
    const now = performance.now();
    this.failures += 1;
    if (this.failures === 1) this.failingSinceMs = this.countedSinceMs = now - waitedMs;
    if (this.mover.movedAtMs > this.countedSinceMs) this.countAgain();
    const isOverdue = this.failures >= FAILURES_MIN && now - this.countedSinceMs >= this.patienceMs;
    if (isOverdue && !this.moving) void this.moveOn();
  }

  private get firstPatienceMs(): number {
    return this.options.patienceMs ?? PATIENCE_MS;
  }

  private async moveOn(): Promise<void> {
    this.moving = true;
    const { failingMs } = this;
    const broker = await this.mover.moveOn().catch(() => undefined);
    this.moving = false;
    this.countAgain();
    this.options.onMoved?.(failingMs, broker);
  }

  private countAgain(): void {
    this.countedSinceMs = performance.now();
    this.patienceMs = Math.min(this.patienceMs * 2, PATIENCE_MS_MAX);
  }
}
