import { isUtf8 } from 'node:buffer';
import { isSpace, type FieldError } from '#contracts';
import { BodyBytes } from './body-bytes.js';

/** A line that is not blank. */
export interface Line {
  /** Its number, from 0. Blank lines are counted. */
  readonly index: number;
  readonly text: string;
  /** Characters of the text. */
  readonly size: number;
  /** Why it must not be parsed. Its text is then empty. */
  readonly flaw?: FieldError;
}

const LINE_FEED = 0x0a;
/** Blank lines that are passed in one step. */
const BLANK_AT_ONCE = 10_000;
const BYTE_ORDER_MARK = '\uFEFF';

/** Lines that are complete: their bytes, or the length of one that was too long to be kept. */
type Block = Buffer | number;

/**
 * Splits bytes into lines, and keeps no more of a line than it may have.
 *
 *   add(chunk) ─▶ blocks of complete lines, and the rest ─▶ take(linesMax)
 *
 * A whole block is decoded at once, which is much faster than line by line. In a block that is not UTF-8, each line is
 * decoded alone, so that one bad line harms no other.
 */
export class LineSplitter {
  private readonly blocks: Block[] = [];
  private rest = new BodyBytes();
  private skipped = 0;
  private text: string | Buffer = '';
  private at = 0;
  private index = 0;
  private held = 0;

  /** @param lineBytesMax longer lines are skipped, and reported as a flaw */
  constructor(private readonly lineBytesMax: number) {}

  /** Bytes of complete lines that were not taken yet. */
  get heldBytes(): number {
    return this.held;
  }

  /** Lines that were taken, blank ones included. */
  get lines(): number {
    return this.index;
  }

  /** Whether there are complete lines. They may all be blank. */
  get hasLines(): boolean {
    return this.blocks.length > 0 || this.at < this.text.length;
  }

  /** Adds the next bytes. */
  add(chunk: Buffer): void {
    const first = chunk.indexOf(LINE_FEED);
    if (first === -1) {
      this.keep(chunk);
      return;
    }
    this.keep(chunk.subarray(0, first + 1));
    this.endLine();
    const behind = chunk.lastIndexOf(LINE_FEED) + 1;
    if (behind > first + 1) this.push(chunk.subarray(first + 1, behind));
    if (behind < chunk.length) this.keep(chunk.subarray(behind));
  }

  /** Makes a line of the bytes behind the last line feed. */
  end(): void {
    if (this.rest.length > 0 || this.skipped > 0) this.endLine();
  }

  /** Takes the next lines, up to a number, or fewer. It may be none, where many are blank. */
  take(linesMax: number): Line[] {
    const lines: Line[] = [];
    for (let blank = 0; lines.length < linesMax && blank < BLANK_AT_ONCE && this.hasLines;) {
      const line = this.next();
      if (line === undefined) blank += 1;
      if (line !== undefined) lines.push(line);
    }
    return lines;
  }

  private keep(bytes: Buffer): void {
    const length = this.rest.length + bytes.length;
    if (this.skipped > 0) {
      this.skipped += bytes.length;
    } else if (length > this.lineBytesMax) {
      this.skipped = length;
      this.rest = new BodyBytes();
    } else {
      this.rest.add(bytes);
    }
  }

  private endLine(): void {
    if (this.skipped > 0) this.blocks.push(this.skipped);
    else this.push(this.rest.whole());
    this.skipped = 0;
    this.rest = new BodyBytes();
  }

  private push(block: Buffer): void {
    this.blocks.push(block);
    this.held += block.length;
  }

  /** The next line; `undefined` when it is blank. */
  private next(): Line | undefined {
    if (this.at >= this.text.length) {
      const block = this.blocks.shift() ?? 0;
      if (typeof block === 'number') return this.flawed(tooLong(block, this.lineBytesMax));
      this.held -= block.length;
      this.text = isUtf8(block) ? block.toString('utf8') : block;
      this.at = this.index === 0 && hasMark(this.text) ? BYTE_ORDER_MARK.length : 0;
    }
    const { text, at } = this;
    const found = typeof text === 'string' ? text.indexOf('\n', at) : text.indexOf(LINE_FEED, at);
    const end = found === -1 ? text.length : found;
    this.at = end + 1;
    if (typeof text === 'string') return this.line(text, at, end);
    const bytes = text.subarray(at, end);
    return isUtf8(bytes) ? this.line(bytes.toString('utf8'), 0) : this.flawed('the line is not UTF-8');
  }

  private line(text: string, from: number, to = text.length): Line | undefined {
    let [start, end] = [from, to];
    while (start < end && isSpace(text.charCodeAt(start))) start++;
    while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
    const index = this.index++;
    return start === end ? undefined : { index, text: text.slice(start, end), size: end - start };
  }

  private flawed(message: string): Line {
    return { index: this.index++, text: '', size: 0, flaw: { field: 'event', message } };
  }
}

function hasMark(text: string | Buffer): boolean {
  return typeof text === 'string' && text.startsWith(BYTE_ORDER_MARK);
}

function tooLong(bytes: number, bytesMax: number): string {
  return `the line has ${bytes} bytes, at most ${bytesMax} are read`;
}
