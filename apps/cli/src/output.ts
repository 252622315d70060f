/** What a command prints at its end: a table for people or one JSON document, only on stdout. */
import Table from 'cli-table3';
import pc from 'picocolors';

/** Colours if a terminal shows them and NO_COLOR does not forbid them; plain text otherwise. */
export const colours = pc.createColors(process.stdout.isTTY && pc.isColorSupported);

/** A whole number with separators between its thousands. */
export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

/** `1 line`, `2,000 lines`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** A table of names and figures, figures flush right. */
export function figureTable(rows: readonly (readonly [name: string, figure: string])[]): string {
  return render(
    rows.map(([name, figure]) => [name, figure]),
    [],
    ['left', 'right'],
  );
}

/** A table with a head; every column but the first is flush right. */
export function columnTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return render(rows, head, ['left', ...head.slice(1).map(() => 'right' as const)]);
}

/**
 * Writes to stdout, and waits until it is written, because a reader of the pipe must get the end of a long report too.
 */
export async function print(text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Writes one JSON document to stdout. */
export async function printJson(document: unknown): Promise<void> {
  await print(JSON.stringify(document, null, 2));
}

/** Writes a message for the person at the terminal to stderr, so that stdout stays machine-readable. */
export function notice(text: string): void {
  process.stderr.write(`${text}\n`);
}

function render(
  rows: readonly (readonly string[])[],
  head: readonly string[],
  colAligns: ('left' | 'right')[],
): string {
  const table = new Table({
    head: head.map((name) => colours.bold(name)),
    colAligns,
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 1 },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

/** Text of a message, which may contain control characters that a terminal would obey. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what must not reach the terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
