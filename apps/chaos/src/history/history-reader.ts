import { createReadStream } from 'node:fs';
import type { Operation } from './operation.js';

/** A batch of 100 messages takes some 10,000 characters. */
const LINE_LENGTH_MAX = 4 * 1024 * 1024;
const TYPES = new Set<unknown>(['invoke', 'ok', 'fail', 'info']);

/**
 * The operations of a history file, in its order, read with a bounded amount of memory. Each loop over it reads the
 * file again.
 *
 * The judge may have been killed in the middle of a line. So text after the last line feed that is not an operation is
 * left out, and `tornLine` has it. Anything else that cannot be read throws, because a judge must not guess at
 * evidence.
 */
export class HistoryReader implements AsyncIterable<Operation> {
  private torn: string | undefined;

  constructor(private readonly path: string) {}

  /**
   * The beginning of a last line that was never finished; undefined when there is none. It is known once a loop has
   * ended.
   */
  get tornLine(): string | undefined {
    return this.torn;
  }

  /** @throws when a line is not an operation, with its number; or when the file cannot be read */
  async *[Symbol.asyncIterator](): AsyncGenerator<Operation, void, undefined> {
    this.torn = undefined;
    let rest = '';
    let lineNumber = 0;
    for await (const chunk of createReadStream(this.path, { encoding: 'utf8' })) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        lineNumber += 1;
        const operation = parseOperation(line);
        if (operation === undefined) throw this.broken(lineNumber, line);
        yield operation;
      }
      if (rest.length > LINE_LENGTH_MAX) throw this.broken(lineNumber + 1, rest);
    }
    if (rest === '') return;
    const last = parseOperation(rest);
    if (last === undefined) this.torn = rest.slice(0, 200);
    else yield last;
  }

  private broken(lineNumber: number, line: string): Error {
    return new Error(`${this.path}, line ${lineNumber} is not an operation: ${line.slice(0, 200)}`);
  }
}

function parseOperation(line: string): Operation | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, op, atMs, messages } = value as Record<string, unknown>;
  const isOperation =
    TYPES.has(type) && Number.isSafeInteger(op) && typeof atMs === 'number' && Array.isArray(messages);
  return isOperation ? (value as Operation) : undefined;
}
