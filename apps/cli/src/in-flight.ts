/**
 * Runs tasks concurrently, up to a bound.
 *
 * `start` waits while the bound is reached, so its caller is held back and tasks do not pile up. The error of the first
 * task that fails is thrown by the next `start`, and by `drain`.
 */
export class InFlight {
  private readonly running = new Set<Promise<void>>();
  private failure: { readonly error: unknown } | undefined;

  /** @param tasksMax tasks that run at a time */
  constructor(private readonly tasksMax: number) {}

  /** Starts a task as soon as fewer than the bound are running. Does not wait for its end. */
  async start(task: () => Promise<void>): Promise<void> {
    while (this.running.size >= this.tasksMax) await Promise.race(this.running);
    this.rethrow();
    const promise: Promise<void> = task()
      .catch((error: unknown) => {
        this.failure ??= { error };
      })
      .finally(() => this.running.delete(promise));
    this.running.add(promise);
  }

  /** Waits until every task has ended. */
  async drain(): Promise<void> {
    await Promise.all(this.running);
    this.rethrow();
  }

  private rethrow(): void {
    if (this.failure) throw this.failure.error;
  }
}
