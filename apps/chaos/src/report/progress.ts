/**
 * The progress of a run.
 *
 * On a terminal it is one line that is redrawn, and above it a line for every fault. In a file it is the same lines,
 * and the state every ten seconds. For machines it is one JSON document per line, and nothing else.
 */
import type { FaultRecord } from '../nemesis/fault.js';
import { formatCount, formatDuration, formatMoment } from './figures.js';

/** The current activity of a run. */
export type Phase = 'start' | 'load' | 'heal' | 'drain' | 'check';

/** The state of a run. Totals are since the load began. */
export interface RunState {
  readonly phase: Phase;
  /** Since the phase began. */
  readonly elapsedMs: number;
  /** How long the phase takes, or may take; undefined when it is unknown. */
  readonly totalMs?: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Settled by the store; null while it cannot be read, as is the lag. */
  readonly settled: number | null;
  readonly lag: number | null;
  /** The names of the faults that hold now. */
  readonly activeFaults: readonly string[];
}

/** A fault that has just taken hold. */
export type FaultStart = Pick<FaultRecord, 'name' | 'detail' | 'startedAtMs'>;

/** A receiver of the progress. Each call may come at any frequency. */
export interface Progress {
  /** The present state. */
  update(state: RunState): void;
  /** A fault has taken hold. */
  faultStarted(fault: FaultStart): void;
  /** A fault is over, healed or never applied. */
  faultEnded(fault: FaultRecord): void;
  /** Anything else that deserves a line. */
  note(text: string): void;
  /** The run is over; leaves the terminal as it was. */
  stop(): void;
}

/** Where the lines go: stderr for people, stdout for machines. */
export interface LineSink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

const REDRAW_MS = 200;
const LINE_EVERY_MS = 10_000;
const COLUMNS_WITHOUT_TERMINAL = 80;

/** Progress for people: a redrawn line on a terminal, lines anywhere else. */
export function progressFor(sink: LineSink, nowMs: () => number = () => performance.now()): Progress {
  return sink.isTTY === true ? new TerminalProgress(sink, nowMs) : new LineProgress(sink, nowMs);
}

/** A line every ten seconds, and at the beginning of each phase. */
export class LineProgress implements Progress {
  private phase: Phase | undefined;
  private lastAtMs = -Infinity;

  constructor(
    private readonly sink: LineSink,
    private readonly nowMs: () => number,
  ) {}

  update(state: RunState): void {
    const now = this.nowMs();
    if (state.phase === this.phase && now - this.lastAtMs < LINE_EVERY_MS) return;
    this.phase = state.phase;
    this.lastAtMs = now;
    this.note(stateLine(state));
  }

  faultStarted(fault: FaultStart): void {
    this.note(startLine(fault));
  }

  faultEnded(fault: FaultRecord): void {
    this.note(endLine(fault));
  }

  note(text: string): void {
    this.sink.write(`${text}\n`);
  }

  stop(): void {
    this.lastAtMs = -Infinity;
  }
}

/** One line that is redrawn in place, never longer than the terminal is wide. */
export class TerminalProgress implements Progress {
  private shown = '';
  private lastAtMs = -Infinity;

  constructor(
    private readonly sink: LineSink,
    private readonly nowMs: () => number,
  ) {}

  update(state: RunState): void {
    const now = this.nowMs();
    if (now - this.lastAtMs < REDRAW_MS) return;
    this.lastAtMs = now;
    this.shown = stateLine(state).slice(0, (this.sink.columns ?? COLUMNS_WITHOUT_TERMINAL) - 1);
    this.sink.write(`${CLEAR_LINE}${this.shown}`);
  }

  faultStarted(fault: FaultStart): void {
    this.note(startLine(fault));
  }

  faultEnded(fault: FaultRecord): void {
    this.note(endLine(fault));
  }

  note(text: string): void {
    this.sink.write(`${CLEAR_LINE}${text}\n${this.shown}`);
  }

  stop(): void {
    this.sink.write(CLEAR_LINE);
    this.shown = '';
  }
}

/** A JSON document per line: `state`, `fault`, `fault-ended` and `note`. The caller prints the verdict. */
export class JsonProgress implements Progress {
  private phase: Phase | undefined;
  private lastAtMs = -Infinity;

  constructor(
    private readonly sink: LineSink,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  update(state: RunState): void {
    const now = this.nowMs();
    if (state.phase === this.phase && now - this.lastAtMs < LINE_EVERY_MS) return;
    this.phase = state.phase;
    this.lastAtMs = now;
    this.event('state', state);
  }

  faultStarted({ name, detail, startedAtMs }: FaultStart): void {
    this.event('fault', { name, detail, startedAtMs });
  }

  faultEnded(fault: FaultRecord): void {
    this.event('fault-ended', fault);
  }

  note(text: string): void {
    this.event('note', { text });
  }

  /** Prints an event of the caller's own: `{"event":"verdict",…}`. */
  event(event: string, fields: object): void {
    this.sink.write(`${JSON.stringify({ event, ...fields })}\n`);
  }

  stop(): void {
    this.lastAtMs = -Infinity;
  }
}

const CLEAR_LINE = '\r\u001b[2K';

function stateLine(state: RunState): string {
  const { phase, elapsedMs, totalMs, activeFaults } = state;
  const total = totalMs === undefined ? '' : `/${formatMoment(totalMs)}`;
  return [
    `${phase} ${formatMoment(elapsedMs)}${total}`,
    `sent ${formatCount(state.sent)}`,
    `acknowledged ${formatCount(state.acknowledged)}`,
    `settled ${figure(state.settled)}`,
    `lag ${figure(state.lag)}`,
    ...(activeFaults.length > 0 ? [`faults: ${activeFaults.join(', ')}`] : []),
  ].join(' · ');
}

function figure(count: number | null): string {
  return count === null ? '?' : formatCount(count);
}

function startLine({ name, detail, startedAtMs }: FaultStart): string {
  return `${formatMoment(startedAtMs)}  ${name}  ${detail}`;
}

function endLine({ name, startedAtMs, healedAtMs, problem }: FaultRecord): string {
  const end = problem === undefined ? 'healed' : `problem: ${problem}`;
  return `${formatMoment(healedAtMs)}  ${name}  ${end} after ${formatDuration(healedAtMs - startedAtMs)}`;
}
