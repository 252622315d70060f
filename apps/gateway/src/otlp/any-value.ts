/**
 * The values of OTLP as JSON text: one form, whichever encoding a request has.
 *
 *   string, bool   as they are
 *   int64          its digits, such as `7`
 *   double         always with a point or an exponent, such as `7.0`; NaN and the infinities as strings
 *   bytes          base64, as a string
 *   list, map      an array, and an object whose members are sorted by name
 *   no value       null
 *
 * OpenTelemetry defines this form of `AnyValue` for other protocols. Equal values have equal texts, so the text of a
 * record can be hashed as it is.
 */

/** Levels of lists and maps in a value, at most. Other readers of protobuf have the same bound. */
export const VALUE_DEPTH_MAX = 100;

/** A name, and the JSON text of its value. */
export type Attribute = readonly [name: string, value: string];

/** A request, a resource, a scope or a record that is not OTLP. */
export class MalformedLogsError extends Error {
  override readonly name = 'MalformedLogsError';
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const NOT_FINITE = /^(?:NaN|-?Infinity)$/;
/** A double has at most this many significant digits. */
const DOUBLE_DIGITS_MAX = 17;

/** A double, such as `7.0`, `0.1` or `"NaN"`. */
export function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/**
 * A double from the characters of a client.
 *
 * @returns the shortest text of that double. A number that no double can represent keeps the characters of the client
 * @throws MalformedLogsError when it is not a number
 */
export function writtenDoubleText(written: string): string {
  if (NOT_FINITE.test(written)) return doubleText(Number(written));
  requireMatch(NUMBER, written, 'a double');
  const value = Number(written);
  const digits = written
    .replace(/[eE].*$/, '')
    .replaceAll(/[-.]/g, '')
    .replace(/^0+/, '')
    .replace(/0+$/, '');
  const isDouble =
    digits.length <= DOUBLE_DIGITS_MAX && Number.isFinite(value) && (value !== 0 || digits === '');
  return isDouble ? doubleText(value) : written;
}

/**
 * An integer from the characters of a client, who may also write it with an exponent.
 *
 * @returns its digits, all of them
 * @throws MalformedLogsError when it is not an integer
 */
export function writtenIntegerText(written: string): string {
  if (INTEGER.test(written) && written !== '-0') return written;
  requireMatch(NUMBER, written, 'an integer');
  const value = Number(written);
  if (!Number.isSafeInteger(value)) throw new MalformedLogsError(`${shown(written)} is not an integer`);
  return String(value);
}

/** A list of values. */
export function listText(values: readonly string[]): string {
  return `[${values.join(',')}]`;
}

/** A map. Of a repeated name the last value counts, as in a payload. */
export function mapText(attributes: readonly Attribute[]): string {
  const sorted = attributes.length < 2 ? attributes : [...attributes].sort(byName);
  let text = '';
  for (const [index, [name, value]] of sorted.entries()) {
    if (sorted[index + 1]?.[0] === name) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${value}`;
  }
  return `{${text}}`;
}

/** The characters of an attribute that is a string or an integer; empty when there is none of this name. */
export function attributeIn(attributes: readonly Attribute[], name: string): string {
  const value = attributes.findLast(([of]) => of === name)?.[1] ?? '';
  if (value.startsWith('"')) return JSON.parse(value) as string;
  return INTEGER.test(value) ? value : '';
}

/** Throws where a value nests too deeply. @param depth of the value itself: 1 for an attribute */
export function requireDepth(depth: number): void {
  if (depth > VALUE_DEPTH_MAX)
    throw new MalformedLogsError(`a value must not nest deeper than ${VALUE_DEPTH_MAX} levels`);
}

function byName([a]: Attribute, [b]: Attribute): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function requireMatch(form: RegExp, written: string, what: string): void {
  if (!form.test(written)) throw new MalformedLogsError(`${shown(written)} is not ${what}`);
}

function shown(written: string): string {
  return JSON.stringify(written.slice(0, 40));
}
