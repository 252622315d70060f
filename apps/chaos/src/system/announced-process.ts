import { until } from './deadline.js';
import { sendSignal } from './signals.js';
import type { Role, TargetProcess } from './target.js';

/** What kind of process a name of `up` means; undefined for one that no fault disturbs, such as "setup". */
export function roleOf(name: string): Role | undefined {
  if (name === 'postgres') return 'postgres';
  if (name.startsWith('nats-')) return 'broker';
  if (name.startsWith('gateway-')) return 'gateway';
  return name.startsWith('worker-') ? 'worker' : undefined;
}

/** A process that `sekali up` runs. Its pid is the one that `up` announced last. */
export class AnnouncedProcess implements TargetProcess {
  constructor(
    readonly name: string,
    readonly role: Role,
    private current: number | undefined,
  ) {}

  get pid(): number | undefined {
    return this.current;
  }

  /** `up` announced that it ended (undefined), or that a new run of it works. */
  announce(pid: number | undefined): void {
    this.current = pid;
  }

  kill(signal: NodeJS.Signals): boolean {
    return sendSignal(this.current, signal);
  }

  async untilRestarted(pid: number, timeoutMs: number): Promise<void> {
    const isBack = (): boolean => this.current !== undefined && this.current !== pid;
    await until(isBack, { timeoutMs, what: `${this.name} to be started again` });
  }
}
