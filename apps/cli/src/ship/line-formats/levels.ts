/** The names of levels: what loggers write, and the one name that each becomes. */
import { LEVEL_SPELLINGS } from '#contracts';

const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(LEVEL_SPELLINGS).flatMap(([name, spellings]) =>
    spellings.flatMap((spelling): [string, string][] => [
      [spelling, name],
      [spelling.toUpperCase(), name],
    ]),
  ),
);

const LETTERS: Readonly<Record<string, string>> = {
  T: 'trace',
  V: 'trace',
  D: 'debug',
  I: 'info',
  N: 'notice',
  W: 'warn',
  E: 'error',
  C: 'critical',
  F: 'fatal',
  A: 'fatal',
};

/** By number, as RFC 5424 counts them. */
const SEVERITIES = ['emergency', 'alert', 'critical', 'error', 'warn', 'notice', 'info', 'debug'] as const;

/** From these numbers on, as bunyan and pino count them. */
const NUMBERS: readonly (readonly [from: number, name: string])[] = [
  [60, 'fatal'],
  [50, 'error'],
  [40, 'warn'],
  [30, 'info'],
  [20, 'debug'],
  [10, 'trace'],
];

/** The name for a word such as `WARNING`, in any case, or `undefined` when it is not a level. */
export function levelOf(word: string): string | undefined {
  // Most words are found as they are written.
  return NAMES.get(word) ?? NAMES.get(word.toLowerCase());
}

/** The name for one of the letters that loggers of Google, Android and Ruby write. */
export function levelOfLetter(letter: string): string | undefined {
  return LETTERS[letter];
}

/** The name for a severity of syslog, 0 to 7. */
export function levelOfSeverity(severity: number): string | undefined {
  return SEVERITIES[severity];
}

/** The name for a number in a JSON line: 10 to 69 as pino counts, 0 to 7 as syslog. */
export function levelOfNumber(number: number): string | undefined {
  if (number < SEVERITIES.length) return levelOfSeverity(number);
  return number < 70 ? NUMBERS.find(([from]) => number >= from)?.[1] : undefined;
}
