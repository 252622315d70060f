/**
 * What `up` prints: for a person at a terminal, for a person who reads a file, or for a machine.
 *
 * On a terminal a moving line shows the current steps. Elsewhere a step is a line when it is done. With --json every
 * line is one object with an `event`. A reporter decides nothing, and a closed output disturbs no other part.
 */
import pc from 'picocolors';
import type { ProcessExit } from '#local-cluster';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;

/** Where the system is: the content of the line `ready`. */
export interface ReadyReport {
  readonly gateway: string;
  readonly gateways?: readonly string[];
  /** The example service, where it runs. */
  readonly accounts?: string;
  readonly nats: readonly string[];
  readonly postgres: string;
  readonly data: string;
  readonly pids: Readonly<Record<string, number>>;
}

/** Reports what happens. */
export interface Reporter {
  /** A step begins or makes progress: `detail` replaces the one before. */
  progress(step: string, detail?: string): void;
  /** A step has ended well. */
  done(step: string, detail?: string): void;
  notice(text: string): void;
  ready(report: ReadyReport, logs: string): void;
  exited(name: string, exit: ProcessExit, restartInMs: number): void;
  restarted(name: string, pid: number): void;
  /** Ends all moving parts; the last call. */
  close(): void;
}

/** Where lines go. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** Chooses the reporter that fits the output. */
export function createReporter(output: Output, json: boolean): Reporter {
  if (json) return new JsonReporter(output);
  return new TextReporter(output);
}

/** "ended with code 1", "was ended by SIGKILL". */
export function describeExit({ code, signal }: ProcessExit): string {
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

class JsonReporter implements Reporter {
  constructor(private readonly output: Output) {}
  progress(step: string, detail?: string): void {
    this.print('progress', { step, detail });
  }
  done(step: string, detail?: string): void {
    this.print('done', { step, detail });
  }
  notice(text: string): void {
    this.print('notice', { text });
  }
  ready(report: ReadyReport, logs: string): void {
    this.print('ready', { ...report, logs });
  }
  exited(name: string, exit: ProcessExit, restartInMs: number): void {
    this.print('exited', { name, ...exit, restartInMs });
  }
  restarted(name: string, pid: number): void {
    this.print('restarted', { name, pid });
  }
  close(): void {
    // Nothing moves.
  }
  private print(event: string, fields: object): void {
    this.output.write(`${JSON.stringify({ event, ...fields })}\n`);
  }
}

class TextReporter implements Reporter {
  private readonly steps = new Map<string, { detail: string; startedAt: number }>();
  private readonly moving: boolean;
  private timer: NodeJS.Timeout | undefined;
  private frame = 0;
  private drawn = false;

  constructor(private readonly output: Output) {
    this.moving = output.isTTY === true;
  }

  progress(step: string, detail = ''): void {
    const startedAt = this.steps.get(step)?.startedAt ?? performance.now();
    this.steps.set(step, { detail, startedAt });
    if (!this.moving) return;
    this.timer ??= setInterval(() => this.draw(), FRAME_MS).unref();
    this.draw();
  }

  done(step: string, detail = ''): void {
    const startedAt = this.steps.get(step)?.startedAt ?? performance.now();
    this.steps.delete(step);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    const text = `${step.padEnd(10)} ${detail}`.trimEnd();
    this.line(`  ${this.paint(pc.green, '✔')} ${text} ${this.paint(pc.dim, `(${seconds} s)`)}`);
  }

  notice(text: string): void {
    this.line(text);
  }

  ready(report: ReadyReport, logs: string): void {
    const places = [
      // A person opens it first. Every gateway serves the page.
      ['page', `${report.gateway}/`],
      ['gateway', (report.gateways ?? [report.gateway]).join('  ')],
      ...(report.accounts === undefined ? [] : [['accounts', report.accounts] as const]),
      ['nats', report.nats.join('  ')],
      ['postgres', report.postgres],
      ['data', report.data],
      ['logs', logs],
    ];
    this.line('');
    for (const [name, place] of places) this.line(`  ${this.paint(pc.bold, name.padEnd(9))} ${place}`);
    this.line('');
    this.line(`ready ${JSON.stringify(report)}`);
  }

  exited(name: string, exit: ProcessExit, restartInMs: number): void {
    const when = restartInMs < 1_000 ? `${restartInMs} ms` : `${restartInMs / 1_000} s`;
    this.line(`${this.paint(pc.yellow, name)} ${describeExit(exit)}; starting it again in ${when}`);
  }

  restarted(name: string, pid: number): void {
    this.line(`restarted ${JSON.stringify({ name, pid })}`);
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.steps.clear();
    this.erase();
  }

  private line(text: string): void {
    this.erase();
    this.output.write(`${text.trimEnd()}\n`);
    this.draw();
  }

  private draw(): void {
    if (!this.moving || this.steps.size === 0) return;
    this.drawn = true;
    this.frame = (this.frame + 1) % FRAMES.length;
    const steps = [...this.steps].map(([step, { detail }]) => (detail === '' ? step : `${step}: ${detail}`));
    this.output.write(`\r\u001b[2K  ${this.paint(pc.cyan, FRAMES[this.frame] ?? '')} ${steps.join('  ·  ')}`);
  }

  private erase(): void {
    // The first line is new and has its own beginning, so nothing is erased before something was drawn.
    if (this.drawn) this.output.write('\r\u001b[2K');
    this.drawn = false;
  }

  private paint(colour: (text: string) => string, text: string): string {
    // picocolors itself obeys NO_COLOR. FORCE_COLOR alone must not colour a file.
    return this.moving ? colour(text) : text;
  }
}
