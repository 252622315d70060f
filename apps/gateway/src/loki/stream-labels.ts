/**
 * Reads the labels of a stream as text: `{app="web", level="info"}`.
 *
 * The values are strings of Go (go.dev/ref/spec#String_literals), because Loki's clients are written in it.
 */
import { storedText } from '../publish/stored-text.js';
import type { LokiPairs } from './push.js';

const NAME = /\s*([A-Za-z_][A-Za-z0-9_.:-]*)\s*=\s*/y;
const QUOTED = /"((?:[^"\\\n]|\\.)*)"\s*/y;
const RAW = /`([^`]*)`\s*/y;
const ESCAPE =
  /\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.|$))/gs;
const CONTROLS: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};
const CODE_POINT_MAX = 0x10_ff_ff;
const REPLACEMENT = '\uFFFD';

/** @returns the labels by name, with values as JSON; `undefined` when it is not such a text */
export function parseLabels(text: string): LokiPairs | undefined {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) return undefined;
  const inner = trimmed.slice(1, -1);
  const labels = new Map<string, string>();
  for (let at = inner.trim() === '' ? inner.length : 0; at < inner.length;) {
    const name = match(NAME, inner, at);
    if (name === undefined) return undefined;
    const quoted = match(QUOTED, inner, name.end);
    const value = quoted ?? match(RAW, inner, name.end);
    const bytes = quoted === undefined ? Buffer.from(value?.text ?? '') : unescaped(quoted.text);
    if (value === undefined || bytes === undefined) return undefined;
    labels.set(name.text, storedText(bytes));
    at = value.end;
    if (at < inner.length && inner[at++] !== ',') return undefined;
  }
  return labels;
}

function match(pattern: RegExp, text: string, at: number): { text: string; end: number } | undefined {
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  return found === null ? undefined : { text: found[1] ?? '', end: pattern.lastIndex };
}

/** The bytes of a string with escapes; `undefined` when one of them is not known. */
function unescaped(text: string): Buffer | undefined {
  if (!text.includes('\\')) return Buffer.from(text);
  const parts: Buffer[] = [];
  let from = 0;
  for (const found of text.matchAll(ESCAPE)) {
    const [whole, control, hex, octal, short, long, unknown] = found;
    if (unknown !== undefined) return undefined;
    parts.push(Buffer.from(text.slice(from, found.index)));
    from = found.index + whole.length;
    if (control !== undefined) parts.push(Buffer.from(CONTROLS[control] ?? control));
    else if (hex !== undefined) parts.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (octal !== undefined) parts.push(Buffer.from([Number.parseInt(octal, 8) & 0xff]));
    else parts.push(Buffer.from(character(Number.parseInt(short ?? long ?? '', 16))));
  }
  return Buffer.concat([...parts, Buffer.from(text.slice(from))]);
}

function character(codePoint: number): string {
  return codePoint > CODE_POINT_MAX ? REPLACEMENT : String.fromCodePoint(codePoint).toWellFormed();
}
