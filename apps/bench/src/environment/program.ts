/**
 * One program of the environment, as a process of its own: a worker, a gateway, or a subject they are compared with.
 *
 *   started ─{type:'ready', url?}─▶ ready ─stop()─▶ ended
 *
 * It ends on SIGTERM, or when the channel closes because this process died. A program that ends by itself is a failure.
 * The error has its last lines.
 */
import { type ManagedProcess } from '#local-cluster';
import { poll } from '#waiting';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;
/** The number of its latest messages that are kept. */
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

  /** Starts the process and resolves when it reports that it is ready. When this throws, the process has ended. */
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

  /** "ours": the name in messages and of its log. */
  get name(): string {
    return this.process.name;
  }

  /** Throws when the process has ended. */
  get pid(): number {
    this.requireRunning();
    return this.process.pid as number;
  }

  /** The URL of a server. Throws when the program did not report one. */
  get url(): string {
    if (this.readyUrl === undefined) throw new Error(`${this.name} has not reported a URL.`);
    return this.readyUrl;
  }

  /** Calls back with each message from now on. Returns a function that ends this. */
  onMessage(listener: (message: unknown) => void): () => void {
    return this.process.onMessage(listener);
  }

  /** Throws when the process has ended, with its last lines. */
  requireRunning(): void {
    if (this.process.pid === undefined) throw this.failure('ended');
  }

  /** Asks the process to end, and kills it if it does not. A process that has ended is left alone. */
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
