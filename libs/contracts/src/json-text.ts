/**
 * Reads JSON text without rewriting it.
 *
 * `JSON.parse` followed by `JSON.stringify` changes what a producer sent: 12345678901234567890 loses its last digits,
 * 1e400 becomes null. So payloads travel from the producer to Postgres as the producer's own characters. These
 * functions find where they begin and end.
 *
 * All of them expect text that `JSON.parse` has accepted. On other text their result means nothing.
 */
import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  isDigit,
  isSpace,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
} from './json-characters.js';
import { EXPONENTS_SUM_MAX, NUMBER_EXPONENT_MAX, NUMBER_LENGTH_MAX } from './limits.js';

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** The position of a value: `text.slice(start, end)` is the value. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The members of an object, by name, and the position after its closing brace. Of a repeated name, only the last one
 * counts.
 */
export interface ObjectSpans {
  readonly members: Map<string, Span>;
  readonly end: number;
}

/** Finds each member of the object that begins at or after `from`. */
export function objectSpans(text: string, from = 0): ObjectSpans {
  const members = new Map<string, Span>();
  let at = skipSpace(text, from) + 1;
  for (;;) {
    at = skipSpace(text, at);
    const code = text.charCodeAt(at);
    if (code === CLOSE_BRACE || at >= text.length) return { members, end: at + 1 };
    if (code === COMMA) {
      at++;
      continue;
    }
    const nameEnd = stringEnd(text, at);
    const name = nameOf(text.slice(at + 1, nameEnd - 1));
    at = skipSpace(text, nameEnd);
    if (text.charCodeAt(at) === COLON) at++;
    const start = skipSpace(text, at);
    const end = valueEnd(text, start);
    members.set(name, { start, end });
    at = end;
  }
}

/** Finds each element of the array that begins with the text. */
export function arraySpans(text: string): Span[] {
  const elements: Span[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = valueEnd(text, at);
    elements.push({ start: at, end });
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return elements;
}

/** How many levels of objects and arrays the text has: `1` is 0, `{}` is 1, `{"a":[]}` is 2. */
export function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) deepest = Math.max(deepest, ++depth);
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
  return deepest;
}

/** Whether a string in the text holds `\u0000` or half of a surrogate pair, neither of which Postgres can keep. */
export function hasUnstorableCharacter(text: string): boolean {
  if (!text.isWellFormed()) return true;
  if (!text.includes('\\u')) return false;
  // Each match consumes a whole escape, so an escaped backslash before a `u` is not mistaken for one.
  const escapes = /\\(?:u([0-9a-fA-F]{4})|.)/gs;
  let highSurrogateEnd = -1;
  for (const match of text.matchAll(escapes)) {
    const unit = match[1] === undefined ? -1 : Number.parseInt(match[1], 16);
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (highSurrogateEnd >= 0) {
      if (!isLow || match.index !== highSurrogateEnd) return true;
      highSurrogateEnd = -1;
      continue;
    }
    if (unit === 0 || isLow) return true;
    if (unit >= 0xd800 && unit <= 0xdbff) highSurrogateEnd = match.index + 6;
  }
  return highSurrogateEnd >= 0;
}

/** Whether a number in the text is too long, or has too large an exponent, to be stored (see limits.ts). */
export function hasUnstorableNumber(text: string): boolean {
  // Nearly every payload ends here: it is too short for a long number, and nothing in it resembles a large exponent.
  if (text.length <= NUMBER_LENGTH_MAX && !/[eE][+-]?\d{2}/.test(text)) return false;
  let exponentsSum = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at) - 1;
    } else if (code === MINUS || isDigit(code)) {
      const end = scalarEnd(text, at);
      if (end - at > NUMBER_LENGTH_MAX) return true;
      const exponent = /[eE](.*)$/.exec(text.slice(at, end))?.[1];
      const size = exponent === undefined ? 0 : Math.abs(Number(exponent));
      exponentsSum += size;
      if (size > NUMBER_EXPONENT_MAX || exponentsSum > EXPONENTS_SUM_MAX) return true;
      at = end - 1;
    }
  }
  return false;
}

/**
 * Writes each number of a JSON text as a string of its characters, so that `JSON.parse` returns all of its digits.
 *
 * @param text any text. What is not JSON is still not JSON afterwards
 */
export function quotedNumbers(text: string): string {
  let result = '';
  let copiedTo = 0;
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at);
    else if (code !== MINUS && !isDigit(code)) at++;
    else {
      const end = scalarEnd(text, at);
      const written = text.slice(at, end);
      const isName = text.charCodeAt(skipSpace(text, end)) === COLON;
      if (!isName && NUMBER.test(written)) {
        result += `${text.slice(copiedTo, at)}"${written}"`;
        copiedTo = end;
      }
      at = end;
    }
  }
  return copiedTo === 0 ? text : result + text.slice(copiedTo);
}

/** @param written the name between its quotes; without an escape it is its own characters */
function nameOf(written: string): string {
  return written.includes('\\') ? (JSON.parse(`"${written}"`) as string) : written;
}

function valueEnd(text: string, start: number): number {
  const code = text.charCodeAt(start);
  if (code === QUOTE) return stringEnd(text, start);
  if (code !== OPEN_BRACE && code !== OPEN_BRACKET) return scalarEnd(text, start);
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const inner = text.charCodeAt(at);
    if (inner === QUOTE) at = stringEnd(text, at) - 1;
    else if (inner === OPEN_BRACE || inner === OPEN_BRACKET) depth++;
    else if ((inner === CLOSE_BRACE || inner === CLOSE_BRACKET) && --depth === 0) return at + 1;
  }
  return text.length;
}

/** @returns the index behind the quote that ends the string which begins at `start` */
export function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at + 1;
  }
  return text.length;
}

/** @returns the index behind the number or literal that begins at `start` */
export function scalarEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isSpace(code)) break;
    at++;
  }
  return at;
}
