/** What a push to Loki consists of, in either of its two formats. */
import { problem, ProblemError } from '../problems/problem-error.js';

/** Names with values, for example labels. Values are JSON: a string, or `{"base64":…}`. */
export type LokiPairs = ReadonlyMap<string, string>;

/** A stream: what its entries share. */
export interface LokiStream {
  readonly labels: LokiPairs;
  /** Why its entries cannot be taken. */
  readonly flaw: string | undefined;
}

/** An entry, and everything that makes it what it is. */
export interface LokiEntry {
  readonly stream: LokiStream;
  /** Nanoseconds since 1970, in decimal digits. */
  readonly nanoseconds: string;
  /** The line as JSON, like the values of labels. */
  readonly line: string;
  /** The structured metadata. */
  readonly metadata: LokiPairs;
}

/** Names and values of one stream or entry, at most. They would be repeated with each entry of a stream. */
const PAIRS_MAX = 128;
const PAIRS_CHARS_MAX = 4_096;

/** Why a stream with these labels cannot be taken. */
export function labelsFlaw(labels: LokiPairs): string | undefined {
  let chars = 0;
  for (const [name, value] of labels) chars += name.length + value.length;
  return labels.size > PAIRS_MAX || chars > PAIRS_CHARS_MAX
    ? `a stream has at most ${PAIRS_MAX} labels, and ${PAIRS_CHARS_MAX} characters of labels`
    : undefined;
}

/** The refusal of a push that cannot be read. @param what is wrong with it */
export function malformedPush(what: string): ProblemError {
  const detail = `The push cannot be read: ${what}. Entries before it may have been published.`;
  return new ProblemError(problem('malformed-request', 400, detail));
}
