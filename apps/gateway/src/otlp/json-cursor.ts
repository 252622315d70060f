import { isSpace, ValueScan, type Span } from '#contracts';
import { MalformedLogsError } from './any-value.js';

/** Characters that are skipped between two pauses, which takes about a millisecond. */
const CHARS_AT_ONCE = 262_144;

/**
 * Walks through the outer levels of a JSON text, without creating what is in it.
 *
 * `members` stops in front of each value. The caller reads it, by one of these methods, before it goes on. A `null` has
 * neither members nor elements.
 */
export class JsonCursor {
  private at = 0;
  private pauseAt = CHARS_AT_ONCE;
  private readonly scan: ValueScan;

  constructor(private readonly text: string) {
    this.scan = new ValueScan(text);
  }

  /** The names of an object's members. */
  *members(): Generator<string> {
    if (this.takesNull()) return;
    this.take('{');
    if (this.takes('}')) return;
    do {
      const name = this.name();
      this.take(':');
      yield name;
    } while (this.takes(','));
    this.take('}');
  }

  /** Calls `read` in front of each element of an array; it has to read the element. */
  *elements(read: () => Generator<undefined, void>): Generator<undefined, void> {
    if (this.takesNull()) return;
    this.take('[');
    if (this.takes(']')) return;
    do {
      yield* read();
      yield* this.pause();
    } while (this.takes(','));
    this.take(']');
  }

  /** Skips a value. It pauses within a long one. */
  *value(): Generator<undefined, Span> {
    const start = this.skipSpace();
    this.scan.begin(start);
    while (!this.scan.advance(CHARS_AT_ONCE)) yield;
    const { end, isCut } = this.scan;
    if (isCut || end === start) throw this.unexpected('a value');
    this.at = end;
    yield* this.pause();
    return { start, end };
  }

  private *pause(): Generator<undefined, void> {
    if (this.at < this.pauseAt) return;
    this.pauseAt = this.at + CHARS_AT_ONCE;
    yield;
  }

  /** Throws unless the text ends here. */
  requireEnd(): void {
    if (this.skipSpace() < this.text.length) throw this.unexpected('the end');
  }

  private name(): string {
    const start = this.skipSpace();
    if (this.text.charAt(start) !== '"') throw this.unexpected('a name');
    this.scan.begin(start);
    this.scan.advance(Number.POSITIVE_INFINITY);
    if (this.scan.isCut) throw this.unexpected('a whole name');
    this.at = this.scan.end;
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw this.unexpected('a name');
    }
  }

  private takesNull(): boolean {
    const start = this.skipSpace();
    if (!this.text.startsWith('null', start)) return false;
    this.at = start + 4;
    return true;
  }

  private takes(character: string): boolean {
    const at = this.skipSpace();
    if (this.text.charAt(at) !== character) return false;
    this.at = at + 1;
    return true;
  }

  private take(character: string): void {
    if (!this.takes(character)) throw this.unexpected(character);
  }

  private skipSpace(): number {
    while (isSpace(this.text.charCodeAt(this.at))) this.at += 1;
    return this.at;
  }

  private unexpected(expected: string): MalformedLogsError {
    return new MalformedLogsError(`The body is not JSON: expected ${expected} at byte ${this.at}.`);
  }
}
