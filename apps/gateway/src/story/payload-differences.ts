/**
 * What differs between two payloads, as JSON pointers with both values.
 *
 * The values stay the characters that Postgres wrote, so that 12345678901234567890 and 12345678901234567891 differ.
 * Equal texts are equal values, because both payloads are texts of `jsonb`.
 */
import { arraySpans, objectSpans } from '#contracts';

/** One place where two payloads differ. A value is JSON text, and `undefined` where it is missing. */
export interface PayloadDifference {
  /** A JSON pointer (RFC 6901); empty for the whole payload. */
  readonly path: string;
  readonly stored: string | undefined;
  readonly sent: string | undefined;
}

/** Levels into which a comparison goes. Below, whole values are said to differ. */
const DEPTH_MAX = 8;

/**
 * Compares two JSON texts that Postgres wrote.
 *
 * @param countMax differences at most; others are left out
 */
export function payloadDifferences(stored: string, sent: string, countMax: number): PayloadDifference[] {
  const found: PayloadDifference[] = [];
  compare({ path: '', stored, sent }, 0, found, countMax);
  return found;
}

function compare(pair: PayloadDifference, depth: number, found: PayloadDifference[], countMax: number): void {
  const { path, stored, sent } = pair;
  if (stored === sent || found.length >= countMax) return;
  const before = depth < DEPTH_MAX ? partsOf(stored) : undefined;
  const after = depth < DEPTH_MAX ? partsOf(sent) : undefined;
  // An object and an array have no common parts.
  if (before === undefined || after === undefined || stored?.[0] !== sent?.[0]) {
    found.push(pair);
    return;
  }
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const part = { path: `${path}/${escaped(name)}`, stored: before.get(name), sent: after.get(name) };
    compare(part, depth + 1, found, countMax);
  }
}

/** The members of an object, or the elements of an array by their index; `undefined` for any other value. */
function partsOf(text: string | undefined): Map<string, string> | undefined {
  if (text?.startsWith('{') === true) {
    const { members } = objectSpans(text);
    return new Map([...members].map(([name, { start, end }]) => [name, text.slice(start, end)]));
  }
  if (text?.startsWith('[') !== true) return undefined;
  return new Map(arraySpans(text).map(({ start, end }, index) => [String(index), text.slice(start, end)]));
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
