/** One condition on a payload, as a client writes it, and the JSON objects of which the payload has to contain one. */

const LENGTH_MAX = 1_024;
const DEPTH_MAX = 32;
const PAYLOAD = 'payload.';
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?$/;
/** Postgres refuses numbers with too many digits. */
const HAS_SMALL_EXPONENTS = /^(?![^]*\d[eE][+-]?\d{4})/;
const WORDS = ['true', 'false', 'null'];
/** The strings of a JSON text, names included. */
const STRINGS = /"(?:[^"\\]|\\.)*"/g;

/**
 * Reads a condition: `payload.status:500`, or a JSON object.
 *
 * A value that reads as a number, `true`, `false` or `null` stands for that and for the same text, because loggers write
 * either. Quotes make it a text alone.
 *
 * @returns JSON texts, with all digits of numbers; `undefined` when it is not a condition
 */
export function whereAlternatives(text: string): readonly string[] | undefined {
  if (text.length > LENGTH_MAX || !text.isWellFormed() || text.includes('\0')) return undefined;
  if (text.startsWith('{')) return isStorableObject(text) ? [text] : undefined;
  const end = text.indexOf(':');
  if (end === -1 || !text.startsWith(PAYLOAD)) return undefined;
  const path = text.slice(PAYLOAD.length, end).split('.');
  if (path.length > DEPTH_MAX || path.includes('')) return undefined;
  return valuesOf(text.slice(end + 1))?.map((value) => nested(path, value));
}

function valuesOf(text: string): readonly string[] | undefined {
  if (text.startsWith('"')) {
    const value = parsed(text);
    return typeof value === 'string' && isStorable(value) ? [JSON.stringify(value)] : undefined;
  }
  const isValue = NUMBER.test(text) || WORDS.includes(text);
  return isValue ? [text, JSON.stringify(text)] : [JSON.stringify(text)];
}

function nested(path: readonly string[], value: string): string {
  return path.reduceRight((inner, name) => `{${JSON.stringify(name)}:${inner}}`, value);
}

function isStorableObject(text: string): boolean {
  if (typeof parsed(text) !== 'object' || !HAS_SMALL_EXPONENTS.test(text.replace(STRINGS, '""')))
    return false;
  // A repeated name hides the values before it from a parser, and Postgres reads them all.
  return [...text.matchAll(STRINGS)].every(([string]) => isStorable(String(parsed(string))));
}

/** Postgres stores neither half a surrogate pair nor a zero character, which JSON may write as escapes. */
function isStorable(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
