/**
 * Writes a JSON text so that equal records have equal texts.
 *
 * Members are sorted by name, white space is dropped, and of a repeated name the last member counts, as in Postgres. A
 * number keeps its characters: `JSON.parse` would make one number of 12345678901234567890 and 12345678901234567891. So
 * `1.0` and `1` are different here. A client that sends a record again writes its numbers the same way.
 *
 * The text is read once, whatever its depth, because a scan for the end of each level would take the square of it.
 */
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
} from './json-characters.js';
import { scalarEnd, stringEnd } from './json-text.js';

/**
 * Writes a JSON value in its canonical form.
 *
 * @param text what `JSON.parse` has accepted, no deeper than an event may be
 */
export function canonicalJson(text: string): string {
  return new CanonicalReader(text).value();
}

class CanonicalReader {
  private at = 0;

  constructor(private readonly text: string) {}

  value(): string {
    this.at = skipSpace(this.text, this.at);
    const code = this.text.charCodeAt(this.at);
    if (code === OPEN_BRACE) return this.object();
    if (code === OPEN_BRACKET) return this.array();
    return code === QUOTE ? this.string() : this.scalar();
  }

  private object(): string {
    const members = new Map<string, string>();
    while (this.hasNext(CLOSE_BRACE)) {
      const name = this.string();
      // The colon.
      this.at = skipSpace(this.text, this.at) + 1;
      members.set(name, this.value());
    }
    const names = [...members.keys()].sort();
    return `{${names.map((name) => `${name}:${members.get(name) ?? ''}`).join(',')}}`;
  }

  private array(): string {
    const elements: string[] = [];
    while (this.hasNext(CLOSE_BRACKET)) elements.push(this.value());
    return `[${elements.join(',')}]`;
  }

  /** Moves to the next element of what is open, or behind its end. */
  private hasNext(end: number): boolean {
    // The first character is the opening bracket or a comma.
    this.at = skipSpace(this.text, this.at);
    const code = this.text.charCodeAt(this.at);
    if (code === COMMA || code === OPEN_BRACE || code === OPEN_BRACKET)
      this.at = skipSpace(this.text, this.at + 1);
    if (this.at < this.text.length && this.text.charCodeAt(this.at) !== end) return true;
    this.at++;
    return false;
  }

  /** A string without escapes is its own canonical form. */
  private string(): string {
    const start = this.at;
    this.at = stringEnd(this.text, start);
    const written = this.text.slice(start, this.at);
    return written.includes('\\') ? JSON.stringify(JSON.parse(written)) : written;
  }

  private scalar(): string {
    const start = this.at;
    this.at = scalarEnd(this.text, start);
    return this.text.slice(start, this.at);
  }
}
