/**
 * Appends the history to a file, one JSON object a line.
 *
 * Promise: when `append` resolves, the operating system has the line, so an operation that is sent only after that is
 * in the history even when the judge is killed. Lines that come while a write is under way go out together in the
 * next, which keeps the price of that at one system call for many. There is no fsync: the judge's machine losing power
 * ends the run anyhow.
 *
 * The buffer is bounded by those who wait for their lines. After a failed write every append rejects: a history with
 * a hole proves nothing.
 */
import { open, type FileHandle } from 'node:fs/promises';
import type { Operation } from './operation.js';

/** See the head of this file. */
export class HistoryWriter {
  private lines: string[] = [];
  /** Ends when `lines`, as they are now, are written. */
  private nextWrite: Promise<void> | undefined;
  private lastWrite: Promise<void> = Promise.resolve();
  private closed = false;

  private constructor(private readonly file: FileHandle) {}

  /** Makes the file. @throws when there is one already, or the folder is missing */
  static async create(path: string): Promise<HistoryWriter> {
    return new HistoryWriter(await open(path, 'ax'));
  }

  /** Puts one line at the end; the order of the calls is the order of the lines. @throws when it cannot be written */
  async append(operation: Operation): Promise<void> {
    if (this.closed) throw new Error('the history is closed');
    this.lines.push(`${JSON.stringify(operation)}\n`);
    this.nextWrite ??= this.lastWrite = this.writeAfter(this.lastWrite);
    return this.nextWrite;
  }

  /** Writes what is left and closes the file. Repeatable. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.lastWrite.finally(() => this.file.close());
  }

  private async writeAfter(earlier: Promise<void>): Promise<void> {
    await earlier;
    const text = this.lines.join('');
    this.lines = [];
    this.nextWrite = undefined;
    await this.file.appendFile(text);
  }
}
