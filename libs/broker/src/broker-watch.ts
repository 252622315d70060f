/** Takes a connection from its broker to another. */
export interface Mover {
  /** When the last move ended, whoever asked for it, by the clock of `performance.now`; -Infinity when there was none. */
  readonly movedAtMs: number;
  /** Resolves with the name of the broker where the connection stands then; `undefined` when none was reached in time. */
  moveOn(): Promise<string | undefined>;
}

/** How to watch. */
export interface BrokerWatchOptions {
  /** Told of each move: for how long nothing was answered, and where the connection stands now. */
  readonly onMoved?: ((failingMs: number, broker: string | undefined) => void) | undefined;
  /** How long nothing may be answered before the first move. Default 4 s: an election rarely takes longer. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 4_000;
const PATIENCE_MS_MAX = 32_000;
/** One lost answer is no sign. */
const FAILURES_MIN = 2;

/**
 * Notices that the broker of a connection is of no use, although its TCP connection stands.
 *
 *   answered ─unanswered─▶ failing ─for too long─▶ move on to the next broker ─unanswered─▶ failing (longer) ─▶ …
 *       ▲                     │                                │
 *       └──────answered───────┴────────────────────────────────┘
 *
 * A broker that is cut off from the others serves its clients for as long as that lasts, and answers none of their
 * requests: it has no leader, no responders, or a leader without a quorum. The client library changes brokers only when
 * TCP fails. While all brokers are without a leader, moving helps nobody; so each move in vain doubles the time to the
 * next.
 *
 * Questions and publishes have a watch each: a leader that was cut off answers questions for some seconds from what it
 * remembers, while it can take no publish. A move that one watch began counts for the other as its own. Else the other
 * would leave the new broker at once, and the next one in turn may be the one that is cut off.
 */
export class BrokerWatch {
  private failures = 0;
  private failingSinceMs = 0;
  /** The failures that count for the next move begin here: at the first one, or at the last move. */
  private countedSinceMs = 0;
  private patienceMs: number;
  private moving = false;

  constructor(
    private readonly mover: Mover,
    private readonly options: BrokerWatchOptions = {},
  ) {
    this.patienceMs = this.firstPatienceMs;
  }

  /** For how long requests have been failing; 0 while they are answered. */
  get failingMs(): number {
    return this.failures < FAILURES_MIN ? 0 : performance.now() - this.failingSinceMs;
  }

  /** A request was answered, be it with a refusal that only a working cluster gives. */
  answered(): void {
    if (this.failures === 0) return;
    this.failures = 0;
    this.patienceMs = this.firstPatienceMs;
  }

  /**
   * A request was not answered, or nobody was there to answer it. May begin a move.
   *
   * @param waitedMs how long the answer was waited for
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
