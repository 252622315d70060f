/**
 * Turns the lines of one file into events: recognises each line, and joins those that belong together.
 *
 *   line ─┬─ one line, one event ──────────▶ event
 *         └─ --multiline ─┬─ begins ───────▶ the event before is finished; this one is open
 *                         └─ continues ────▶ into the open event, up to its bounds
 *
 * The id of an event is that of its first line, with and without --multiline. So the same lines are not stored twice by
 * runs that join them differently; the later run counts as a conflict. The open event may still grow. It is finished
 * when the file ends for good, or when a followed file has been quiet for some seconds. What comes after that is an
 * event of its own, so nothing is lost.
 */
import type { OutgoingEvent } from '../producer.js';
import { lineEvent, type LineOrigin, type TextLine, textOfLine } from './line-event.js';
import {
  lineOfGroups,
  type LinePattern,
  type NamedGroups,
  SlowPatternError,
} from './line-formats/line-pattern.js';
import { type FormatName, recogniserOf } from './line-formats/recognition.js';
import type { RecognisedLine } from './line-formats/recognised-line.js';
import type { TimeZone } from './line-formats/time-zone.js';
import { clockRules } from './line-formats/wall-clock.js';
import { type Line, LINE_BYTES_MAX } from './line-splitter.js';

/** How lines are read. */
export interface ReadingRules {
  readonly format: FormatName;
  /** Replaces the format. */
  readonly pattern?: LinePattern | undefined;
  /** The zone of times that name none. */
  readonly timeZone?: TimeZone | undefined;
  /** Whether an event may have several lines. */
  readonly multiline: boolean;
  /** What begins an event of several lines; otherwise every line that is recognised does. */
  readonly start?: LinePattern | undefined;
}

/** An event, and where its last line ends. */
export interface AssembledEvent {
  readonly event: OutgoingEvent;
  readonly end: Line;
  readonly lines: number;
  /** Bytes of the file. */
  readonly bytes: number;
}

interface OpenEvent {
  readonly lines: TextLine[];
  readonly recognised: RecognisedLine;
  bytes: number;
}

/** Lines of one event, at most. */
export const EVENT_LINES_MAX = 1_000;

/** The assembler of one file. */
export class EventAssembler {
  private readonly recognise: (text: string) => RecognisedLine | undefined;
  private open: OpenEvent | undefined;
  private clock = clockRules(undefined, new Date(0));
  private touchedAt = performance.now();

  constructor(
    private readonly rules: ReadingRules,
    private readonly origin: LineOrigin,
  ) {
    this.recognise = recogniserOf(rules.format);
  }

  /** Lines of the event that is not finished. */
  get openLines(): number {
    return this.open?.lines.length ?? 0;
  }

  /** How long no line has arrived. */
  get quietMs(): number {
    return performance.now() - this.touchedAt;
  }

  /**
   * Takes the next lines of the file.
   *
   * @param modified when the file was last changed
   * @returns the events that are finished now, one after the other; all must be taken
   * @throws `SlowPatternError`
   */
  *push(lines: readonly Line[], modified: Date): Generator<AssembledEvent> {
    if (lines.length === 0) return;
    this.clock = clockRules(this.rules.timeZone, modified);
    this.touchedAt = performance.now();
    if (this.rules.pattern || this.rules.start) yield* this.pushMatched(lines);
    else
      for (const line of lines) {
        const text = textOfLine(line);
        const recognised = this.recognise(text.text);
        const finished = this.take(text, recognised ?? { message: text.text }, recognised !== undefined);
        if (finished) yield finished;
      }
  }

  /** Finishes the open event. */
  finish(): AssembledEvent | undefined {
    const { open } = this;
    this.open = undefined;
    return open && this.assembled(open.lines, open.recognised);
  }

  /** With expressions of the user, which are matched for all lines at once. */
  private *pushMatched(lines: readonly Line[]): Generator<AssembledEvent> {
    const texts = lines.map(textOfLine);
    const contents = texts.map(({ text }) => text);
    const matches = matchAll(this.rules.pattern, contents, lines);
    const starts = matchAll(this.rules.start, contents, lines);
    for (const [index, text] of texts.entries()) {
      const recognised = matches ? lineOfGroups(text.text, matches[index]) : this.recognise(text.text);
      const isStart = (starts ?? matches)?.[index] !== undefined;
      const finished = this.take(text, recognised ?? { message: text.text }, isStart);
      if (finished) yield finished;
    }
  }

  /** @returns an event that is finished by this line */
  private take(line: TextLine, recognised: RecognisedLine, isStart: boolean): AssembledEvent | undefined {
    if (!this.rules.multiline) return this.assembled([line], recognised);
    const { open } = this;
    const { length } = line.line.bytes;
    const continues =
      open && !isStart && open.lines.length < EVENT_LINES_MAX && open.bytes + 1 + length <= LINE_BYTES_MAX;
    if (continues) {
      open.lines.push(line);
      open.bytes += 1 + length;
      return undefined;
    }
    const finished = this.finish();
    this.open = { lines: [line], recognised, bytes: length };
    return finished;
  }

  private assembled(lines: readonly TextLine[], recognised: RecognisedLine): AssembledEvent {
    const event = lineEvent(lines, recognised, this.origin, this.clock);
    const { start } = (lines[0] as TextLine).line;
    const end = (lines.at(-1) as TextLine).line;
    return { event, end, lines: lines.length, bytes: end.offset - start };
  }
}

function matchAll(
  pattern: LinePattern | undefined,
  texts: readonly string[],
  lines: readonly Line[],
): NamedGroups[] | undefined {
  try {
    return pattern?.match(texts);
  } catch (error) {
    if (!(error instanceof SlowPatternError)) throw error;
    throw new SlowPatternError(lines[error.line]?.line ?? 0);
  }
}
