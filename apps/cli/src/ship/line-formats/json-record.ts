/**
 * A line that is one JSON object.
 *
 * What Postgres cannot hold is replaced as in any other line: U+0000 and halves of surrogate pairs become U+FFFD. A
 * number that JavaScript cannot hold becomes the text of its digits, so that none is lost.
 */
import type { RecognisedLine } from './recognised-line.js';
import { liftMembers } from './record-members.js';

/** A record in a deeper line is kept as text. It is far below what the contract refuses. */
const DEPTH_MAX = 32;
/** A number of this length survives the way through JavaScript. */
const EXACT_DIGITS = 15;
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
/** Only such a text can have a number that loses digits. */
const LONG_NUMBER = /\d[\d.]{15}|\d[eE][+-]?\d/;
const UNSTORABLE_ESCAPE = /\\u(?:0000|d[89a-f])/i;

/** Reads the line, or returns `undefined` when it is not one whole object. */
export function readJsonRecord(text: string): RecognisedLine | undefined {
  if (!text.startsWith('{') || !text.trimEnd().endsWith('}')) return undefined;
  try {
    const exact = LONG_NUMBER.test(text) ? text.replaceAll(STRING_OR_NUMBER, quotedIfInexact) : text;
    const value = JSON.parse(exact) as object;
    const record = (UNSTORABLE_ESCAPE.test(text) ? storable(value) : value) as Record<string, unknown>;
    return isTooDeep(record, DEPTH_MAX) ? undefined : liftMembers(new Map(Object.entries(record)), text);
  } catch {
    // The line is not JSON, so it is text.
    return undefined;
  }
}

function quotedIfInexact(token: string): string {
  if (token.startsWith('"')) return token;
  const digits = token
    .replace(/[eE].*$/, '')
    .replaceAll(/\D/g, '')
    .replace(/^0+/, '');
  // A large exponent would be printed as that many digits.
  const isExact = digits.length <= EXACT_DIGITS && !String(Number(token)).includes('e');
  return isExact ? token : JSON.stringify(token);
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [storableText(name), storable(member)]),
  );
}

function storableText(text: string): string {
  return text.replaceAll('\u0000', '\ufffd').toWellFormed();
}

function isTooDeep(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isTooDeep(member, levels - 1));
}
