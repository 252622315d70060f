import { open, type FileHandle } from 'node:fs/promises';
import type { Operation } from './operation.js';

/**
 * Appends the history to a file, one JSON object per line.
 *
 * When `append` resolves, the operating system has the line. An operation that is sent after that is in the history
 * even when the judge is killed. Lines that come during a write go out together in the next one, which needs one system
 * call for many. There is no fsync, because a power loss of the judge's machine ends the run anyway.
 *
 * The buffer is bounded by the number of callers that wait for their lines. After a failed write every append rejects,
 * because a history with a hole proves nothing.
 */
export class HistoryWriter {
  private lines: string[] = [];
  /** Ends when the present `lines` are written. */
  private nextWrite: Promise<void> | undefined;
  private lastWrite: Promise<void> = Promise.resolve();
  private closed = false;

  private constructor(private readonly file: FileHandle) {}

  /** Creates the file. @throws when it already exists, or the folder is missing */
  static async create(path: string): Promise<HistoryWriter> {
    return new HistoryWriter(await open(path, 'ax'));
  }

  /** Puts one line at the end. The order of the calls is the order of the lines. @throws when it cannot be written */
  async append(operation: Operation): Promise<void> {
    if (this.closed) throw new Error('the history is closed');
    this.lines.push(`${JSON.stringify(operation)}\n`);
    this.nextWrite ??= this.lastWrite = this.writeAfter(this.lastWrite);
    return this.nextWrite;
  }

  /** Writes what is left and closes the file. It may be called again. */
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
