/** What a recogniser finds in a line. */
import type { WallClock } from './wall-clock.js';

/** A time as a line has it. */
export interface WrittenTime {
  /** The characters of the line that are the time. */
  readonly text: string;
  readonly clock: WallClock;
}

/** The parts of a line. A part that the line does not have is left out. */
export interface RecognisedLine {
  readonly time?: WrittenTime | undefined;
  /** One of the names in `levels.ts`. */
  readonly level?: string | undefined;
  /** The machine that wrote the line. */
  readonly host?: string | undefined;
  /** The program, module or logger that wrote the line. */
  readonly program?: string | undefined;
  readonly message: string;
  /** Everything else that has a name in the line. Values are text, except those of JSON. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
}

/** Reads a line, or returns `undefined` when the line does not have this format. It never throws. */
export type Recogniser = (text: string) => RecognisedLine | undefined;

/** Returns an object with those entries that have a text, or `undefined` when there are none. */
export function fieldsOf(
  entries: Readonly<Record<string, string | undefined>>,
): Record<string, string> | undefined {
  const fields = Object.entries(entries).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}
