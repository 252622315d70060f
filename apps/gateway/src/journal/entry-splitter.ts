/**
 * Splits bytes in the Journal Export Format into entries (systemd.io/JOURNAL_EXPORT_FORMATS).
 *
 *   line ─"NAME=text"─▶ line
 *    ├──"NAME"─▶ size (8 bytes, little endian) ─▶ data ─▶ end (a line feed) ─▶ line
 *    ├──empty──▶ the entry is complete
 *    └──anything else─▶ malformed: where the next entry begins is unknown
 *
 * An entry is never refused for its size. A value that does not fit is counted and not kept, and becomes null.
 * `journalctl -o json` does the same. Otherwise one core dump in a journal would hold up all that follows, because the
 * uploader would send it again and again.
 */
import { problem, ProblemError } from '../problems/problem-error.js';
import { BodyBytes } from '../publish/body-bytes.js';
import type { Splitter } from '../publish/line-body.js';
import { storedText } from '../publish/stored-text.js';
import type { JournalEntry, JournalField } from './journal-entry.js';

const LINE_FEED = 0x0a;
const EQUALS = 0x3d;
const SIZE_BYTES = 8;
/** The bounds of systemd itself: bytes of a value, fields of an entry, characters of a name. */
const VALUE_BYTES_MAX = 805_306_368n;
const FIELDS_MAX = 1_024;
const NAME = /^[\x21-\x3c\x3e-\x7e]{1,64}$/;
/** Bytes of a line that is too long. They have its name. */
const HEAD_BYTES = 65;
const TOO_LARGE = 'null';

type State = 'line' | 'size' | 'data' | 'end';

/** Splits the bytes of one upload. */
export class EntrySplitter implements Splitter<JournalEntry> {
  private readonly entries: JournalEntry[] = [];
  private state: State = 'line';
  private part = new BodyBytes();
  private isTooLarge = false;
  private name = '';
  /** Bytes of a binary value that have not arrived. */
  private left = 0;
  private fields: JournalField[] = [];
  private size = 0;
  private taken = 0;
  private held = 0;
  private error: ProblemError | undefined;

  /** @param entryBytesMax bytes of names and values of an entry that are kept */
  constructor(private readonly entryBytesMax: number) {}

  get heldBytes(): number {
    return this.held;
  }

  get hasLines(): boolean {
    return this.entries.length > 0 || this.error !== undefined;
  }

  get lines(): number {
    return this.taken;
  }

  add(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.error === undefined;) at = this.read(chunk, at);
  }

  end(): void {
    const isBetween = this.state === 'line' && this.part.length === 0 && this.fields.length === 0;
    if (!isBetween) this.fail('the upload ends within an entry');
  }

  /** @throws ProblemError 400 where the bytes cannot be split, behind the last entry before */
  take(linesMax: number): readonly JournalEntry[] {
    if (this.entries.length === 0 && this.error !== undefined) throw this.error;
    const entries = this.entries.splice(0, linesMax);
    this.taken += entries.length;
    for (const { size } of entries) this.held -= size;
    return entries;
  }

  /** Reads some of a chunk. @returns where to go on */
  private read(chunk: Buffer, at: number): number {
    if (this.state === 'line') return this.readLine(chunk, at);
    if (this.state === 'size') return this.readSize(chunk, at);
    if (this.state === 'data') return this.readData(chunk, at);
    if (chunk[at] !== LINE_FEED) this.fail(`field ${this.name} is longer than its size`);
    this.state = 'line';
    return at + 1;
  }

  private readLine(chunk: Buffer, at: number): number {
    const found = chunk.indexOf(LINE_FEED, at);
    this.keep(chunk.subarray(at, found === -1 ? chunk.length : found));
    if (found === -1) return chunk.length;
    this.endLine(this.takePart());
    return found + 1;
  }

  private endLine(line: Buffer): void {
    const isTooLarge = this.isTooLarge;
    this.isTooLarge = false;
    if (line.length === 0) {
      this.endEntry();
      return;
    }
    const equals = line.indexOf(EQUALS);
    const name = line.toString('latin1', 0, equals === -1 ? line.length : equals);
    if (!NAME.test(name)) {
      this.fail(`${JSON.stringify(name.slice(0, 64))} is not the name of a field`);
    } else if (equals !== -1) {
      this.addField(name, isTooLarge ? undefined : line.subarray(equals + 1));
    } else {
      this.name = name;
      this.state = 'size';
    }
  }

  private readSize(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + SIZE_BYTES - this.part.length);
    this.part.add(chunk.subarray(at, end));
    if (this.part.length < SIZE_BYTES) return end;
    const size = this.takePart().readBigUInt64LE();
    if (size > VALUE_BYTES_MAX) this.fail(`field ${this.name} has ${size} bytes, more than a journal holds`);
    this.left = Number(size);
    this.isTooLarge = this.left > this.room();
    this.state = 'data';
    if (this.left === 0) this.endData();
    return end;
  }

  private readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.left);
    this.left -= end - at;
    if (!this.isTooLarge) this.part.add(chunk.subarray(at, end));
    if (this.left === 0) this.endData();
    return end;
  }

  private endData(): void {
    this.addField(this.name, this.isTooLarge ? undefined : this.takePart());
    this.isTooLarge = false;
    this.state = 'end';
  }

  /** @param value `undefined` when it was too large */
  private addField(name: string, value: Buffer | undefined): void {
    this.fields.push([name, value === undefined ? TOO_LARGE : storedText(value)]);
    this.size += name.length + (value?.length ?? TOO_LARGE.length);
    if (this.fields.length > FIELDS_MAX) this.fail(`an entry has more than ${FIELDS_MAX} fields`);
  }

  private endEntry(): void {
    // systemd ignores empty lines between two entries.
    if (this.fields.length === 0) return;
    const index = this.taken + this.entries.length;
    this.entries.push({ index, size: this.size, fields: this.fields });
    this.held += this.size;
    this.fields = [];
    this.size = 0;
  }

  /** Keeps a part of a line, or only its head when it does not fit. */
  private keep(bytes: Buffer): void {
    if (this.isTooLarge) return;
    if (this.part.length + bytes.length <= this.room() + HEAD_BYTES) {
      if (bytes.length > 0) this.part.add(bytes);
      return;
    }
    const head = Buffer.concat([this.part.whole().subarray(0, HEAD_BYTES), bytes.subarray(0, HEAD_BYTES)]);
    this.part = new BodyBytes();
    this.part.add(head);
    this.isTooLarge = true;
  }

  /** Bytes that the entry may still have. */
  private room(): number {
    return Math.max(0, this.entryBytesMax - this.size);
  }

  private takePart(): Buffer {
    const bytes = this.part.whole();
    this.part = new BodyBytes();
    return bytes;
  }

  private fail(what: string): void {
    const detail = `The body is not in the Journal Export Format: ${what}. The entries before it were published.`;
    this.error ??= new ProblemError(problem('malformed-request', 400, detail));
  }
}
