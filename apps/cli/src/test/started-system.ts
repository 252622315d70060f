import { spawn, type ChildProcess } from 'node:child_process';
import { findRepositoryRoot, type RunningSystem } from '#local-cluster';
import { poll } from '#waiting';

const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 30_000;

/**
 * A system that `npm start` runs, as a reader of the README has it. It has free ports, so that it disturbs no other.
 */
export class StartedSystem {
  private printed = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private hasEnded = false;

  constructor() {
    // It has a separate process group, so that an interruption reaches all of it, as Ctrl-C in a terminal does.
    this.child = spawn('npm', ['start', '--', '--ephemeral'], {
      cwd: findRepositoryRoot(),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk) => (this.printed += String(chunk)));
    this.ended = new Promise((resolve) => {
      this.child.once('close', () => {
        this.hasEnded = true;
        resolve();
      });
    });
  }

  get output(): string {
    return this.printed;
  }

  /** The content of the line `ready`. Throws when the line does not come in time, with what was printed instead. */
  async ready(): Promise<RunningSystem & { readonly data: string }> {
    const line = await poll(
      () => /^ready (.*)$/m.exec(this.printed)?.[1] ?? (this.hasEnded ? '' : undefined),
      { timeoutMs: READY_MS_MAX },
    );
    if (line === undefined || line === '') throw new Error(`npm start is not ready:\n${this.printed}`);
    return JSON.parse(line) as RunningSystem & { readonly data: string };
  }

  /** Interrupts it, and resolves when it has ended. What remains after that is killed. */
  async interrupt(): Promise<void> {
    const { pid } = this.child;
    if (pid === undefined || this.hasEnded) return;
    process.kill(-pid, 'SIGINT');
    const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), STOP_MS_MAX);
    await this.ended;
    clearTimeout(timer);
  }
}
