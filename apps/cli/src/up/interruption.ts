const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SAME_SIGNAL_MS = 500;
const PARENT_INTERVAL_MS = 250;

/** Thrown by work that was given up because of a signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/**
 * Listens for Ctrl-C and similar signals until it is closed.
 *
 * The first signal asks for an orderly stop, a second one for an immediate end. Under npm one Ctrl-C arrives twice
 * within milliseconds, from the terminal and from npm. So signals that follow the first closely count as the same one.
 * A SIGTERM to npm ends the shell between npm and us, but is not passed on. So under npm the end of our parent counts
 * as the signal. Elsewhere it does not, because `nohup sekali up &` would end with its shell.
 */
export class Interruption {
  private readonly asked = new AbortController();
  private firstAt: number | undefined;
  private closed = false;
  private readonly listener = () => this.hear();

  private readonly parentWatch: NodeJS.Timeout | undefined;

  /** `onInsist` is called for each signal after the first; `underNpm` watches the parent too. */
  constructor(
    private readonly onInsist: () => void,
    { underNpm = false }: { underNpm?: boolean } = {},
  ) {
    for (const signal of SIGNALS) process.on(signal, this.listener);
    const parent = process.ppid;
    if (underNpm) this.parentWatch = setInterval(() => this.checkParent(parent), PARENT_INTERVAL_MS).unref();
  }

  /** Aborted by the first signal, with `Interrupted`. */
  get signal(): AbortSignal {
    return this.asked.signal;
  }

  /** Resolves at the first signal. */
  async wait(): Promise<void> {
    if (this.signal.aborted) return;
    await new Promise((resolve) => this.signal.addEventListener('abort', resolve, { once: true }));
  }

  /**
   * Ignores further signals. They stay caught, because a signal that comes while the process ends must not change how
   * it ends.
   */
  close(): void {
    clearInterval(this.parentWatch);
    this.closed = true;
  }

  private checkParent(parent: number): void {
    if (process.ppid === parent) return;
    clearInterval(this.parentWatch);
    if (!this.signal.aborted) this.hear();
  }

  private hear(): void {
    if (this.closed) return;
    const now = performance.now();
    if (this.firstAt === undefined) {
      this.firstAt = now;
      this.asked.abort(new Interrupted('Stopped by a signal.'));
    } else if (now - this.firstAt > SAME_SIGNAL_MS) {
      this.onInsist();
    }
  }
}
