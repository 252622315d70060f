const MOVES_EVERY_MS = 1_000;
const REPORTED_EVERY_MS = 10_000;

/** The stream to write to: `process.stderr`. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * What a run writes to stderr while it is running: one line per group and round, and what it is doing now.
 *
 * On a terminal, the last line moves once a second. In a file it is only written now and then. Call `stop` at the end.
 */
export class Progress {
  private readonly startedAt = performance.now();
  private readonly timer: NodeJS.Timeout | undefined;
  private reportedAt = performance.now();
  private doing = '';

  constructor(private readonly stream: ProgressStream) {
    if (stream.isTTY !== true) return;
    this.timer = setInterval(() => {
      this.move();
    }, MOVES_EVERY_MS);
  }

  /** What the run is doing from now on. */
  readonly now = (doing: string): void => {
    this.doing = doing;
    if (this.timer !== undefined || performance.now() - this.reportedAt < REPORTED_EVERY_MS) return;
    this.line(`${this.elapsed()} ${doing}`);
  };

  /** A round is over. Below 1 it is a warm-up. */
  readonly round = (subject: string, round: number, value: number): void => {
    const which = round < 1 ? 'warm-up' : `round ${round}`;
    const figure = value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
    this.line(`  ${which.padEnd(9)} ${subject.padEnd(44)} ${figure}`);
  };

  /** A line that stays. */
  line(text: string): void {
    this.clear();
    this.reportedAt = performance.now();
    this.stream.write(`${text}\n`);
    if (this.timer !== undefined) this.move();
  }

  /** A new part of the run begins. */
  part(title: string): void {
    this.doing = title;
    this.line(`${this.elapsed()} ${title}`);
  }

  stop(): void {
    clearInterval(this.timer);
    this.clear();
  }

  private move(): void {
    this.clear();
    this.stream.write(`${this.elapsed()} ${this.doing}`);
  }

  private clear(): void {
    if (this.stream.isTTY === true) this.stream.write('\r\u001b[2K');
  }

  private elapsed(): string {
    const seconds = Math.floor((performance.now() - this.startedAt) / 1_000);
    return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
  }
}
