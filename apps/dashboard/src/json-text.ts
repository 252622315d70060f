/**
 * JSON whose numbers keep their digits.
 *
 * A number such as 12345678901234567890 or 1.10 is another one after `JSON.parse`. Where the browser gives the source
 * text of a number, it is kept next to the value.
 */

/** A number that a double cannot hold, or would write otherwise. */
export class Digits {
  constructor(readonly text: string) {}
}

/** The third argument of a reviver, see https://tc39.es/proposal-json-parse-with-source. */
interface ReviverContext {
  readonly source?: string;
}

/** Parses JSON. Throws a SyntaxError for any other text. */
export function parseExact(text: string): unknown {
  const revive = (_name: string, value: unknown, context?: ReviverContext): unknown => {
    const source = context?.source;
    return typeof value === 'number' && source !== undefined && source !== String(value)
      ? new Digits(source)
      : value;
  };
  return JSON.parse(text, revive) as unknown;
}

/** One line of printed JSON, and the JSON pointer of the value that begins in it, or ends in it. */
export interface JsonLine {
  readonly path: string;
  readonly text: string;
}

/** Prints a value in lines, indented by two spaces. */
export function jsonLines(value: unknown): JsonLine[] {
  return linesOf(value, '', '', '', '');
}

/** Prints a value as one text. */
export function printedJson(value: unknown): string {
  return jsonLines(value)
    .map(({ text }) => text)
    .join('\n');
}

/** Prints a value in one line. */
export function shortJson(value: unknown): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map(shortJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${shortJson(member)}`,
  );
  return `{${members.join(',')}}`;
}

/** A name as a part of a JSON pointer (RFC 6901). */
export function pointerPart(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function linesOf(value: unknown, path: string, indent: string, head: string, tail: string): JsonLine[] {
  const isArray = Array.isArray(value);
  if (typeof value !== 'object' || value === null || value instanceof Digits)
    return [{ path, text: `${indent}${head}${shortJson(value)}${tail}` }];
  const members = Object.entries(value as Record<string, unknown>);
  const [open, close] = isArray ? ['[', ']'] : ['{', '}'];
  if (members.length === 0) return [{ path, text: `${indent}${head}${open}${close}${tail}` }];
  return [
    { path, text: `${indent}${head}${open}` },
    ...members.flatMap(([name, member], index) =>
      linesOf(
        member,
        path + pointerPart(name),
        `${indent}  `,
        isArray ? '' : `${JSON.stringify(name)}: `,
        index === members.length - 1 ? '' : ',',
      ),
    ),
    { path, text: `${indent}${close}${tail}` },
  ];
}
