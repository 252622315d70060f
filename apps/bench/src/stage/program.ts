/**
 * One program on the stage, as a process of its own: a worker, a gateway, or a subject it is compared with.
 *
 *   started ─{type:'ready', url?}─▶ ready ─stop()─▶ gone
 *
 * It hears its end from SIGTERM, or from the channel that closes when this process dies. One that ends by itself is a
 * failure, told with the last line it wrote.
 */
import { type ManagedProcess } from '#local-cluster';
import { poll } from '#waiting';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;
/** What it says is kept, the latest of it. */
const MESSAGES_MAX = 1_000;

/** A running program. */
export class Program {
  readonly messages: unknown[] = [];
  private readyUrl: string | undefined;
  private isReady = false;

  private constructor(readonly process: ManagedProcess) {
    process.onMessage((message) => {
      this.hear(message);
    });
  }

  /** Starts the process and resolves when it says that it is ready. Leaves none behind when it throws. */
  static async start(process: ManagedProcess, signal?: AbortSignal): Promise<Program> {
    const program = new Program(process);
    await process.start();
    try {
      await program.untilReady(signal);
      return program;
    } catch (error) {
      await program.stop();
      throw error;
    }
  }

  /** "ours": as in messages and the name of its log. */
  get name(): string {
    return this.process.name;
  }

  /** Throws when it has ended. */
  get pid(): number {
    this.requireRunning();
    return this.process.pid as number;
  }

  /** Where it listens. Throws when it did not say. */
  get url(): string {
    if (this.readyUrl === undefined) throw new Error(`${this.name} has told no URL.`);
    return this.readyUrl;
  }

  /** Calls back with whatever it says from now on. Returns the way to stop that. */
  onMessage(listener: (message: unknown) => void): () => void {
    return this.process.onMessage(listener);
  }

  /** Throws when it has ended, with what it wrote last. */
  requireRunning(): void {
    if (this.process.pid === undefined) throw this.failure('ended');
  }

  /** Asks it to end; kills it when it does not. Nothing happens when it has ended. */
  async stop(): Promise<void> {
    await this.process.stop({ timeoutMs: STOP_MS_MAX });
  }

  private async untilReady(signal: AbortSignal | undefined): Promise<void> {
    const ready = await poll(
      () => {
        if (!this.isReady) this.requireRunning();
        return this.isReady || undefined;
      },
      { timeoutMs: READY_MS_MAX, intervalMs: 10, signal },
    );
    if (!ready) throw this.failure(`was not ready within ${READY_MS_MAX / 1_000} s`);
  }

  private hear(message: unknown): void {
    this.messages.push(message);
    if (this.messages.length > MESSAGES_MAX) this.messages.shift();
    const { type, url } = (message ?? {}) as { type?: unknown; url?: unknown };
    if (type !== 'ready') return;
    this.isReady = true;
    if (typeof url === 'string') this.readyUrl = url;
  }

  private failure(what: string): Error {
    const words = this.process.logTail(5).join('\n  ');
    return new Error(`${this.name} ${what}:\n  ${words || 'it wrote nothing'}`);
  }
}
