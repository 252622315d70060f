import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  isSpace,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from './json-characters.js';

/**
 * Finds where a JSON value ends, in pieces and within bounds, before any of it is parsed.
 *
 *   begin(from) ─▶ advance() … advance() ─true─▶ end, depth, names
 *
 * `JSON.parse` creates objects of any input: 12 MB of brackets or 800,000 names take a hundred times their size. This
 * scan only counts, so no text costs memory. Between two pieces of a long text, the program can do other work.
 *
 * The text need not be JSON. Brackets are counted regardless of their kind, and the parser judges the value afterwards.
 *
 * One scan serves many values of a text, one after the other.
 */
export class ValueScan {
  private at = 0;
  private level = 0;
  private deepest = 0;
  private colons = 0;
  private inString = false;
  private inScalar = false;
  private cut = false;

  constructor(private readonly text: string) {}

  /** Index behind the value's last character. */
  get end(): number {
    return this.at;
  }

  /** Levels of objects and arrays: `1` has 0, `{}` has 1. */
  get depth(): number {
    return this.deepest;
  }

  /** Number of names in the object that is scanned, including repeated ones; 0 for any other value. */
  get names(): number {
    return this.colons;
  }

  /** Whether the text ended before the value did. */
  get isCut(): boolean {
    return this.cut;
  }

  /** Begins with the value whose first character is at an index. */
  begin(from: number): void {
    const first = this.text.charCodeAt(from);
    this.at = from;
    this.level = this.deepest = this.colons = 0;
    this.inString = this.cut = false;
    this.inScalar = first !== QUOTE && first !== OPEN_BRACE && first !== OPEN_BRACKET;
  }

  /**
   * Scans on.
   *
   * @param charsMax about how many characters to scan
   * @returns whether the end of the value, or of the text, was reached
   */
  advance(charsMax: number): boolean {
    const pauseAt = this.at + charsMax;
    const isFound = this.inScalar ? this.skipScalar(pauseAt) : this.skipNested(pauseAt);
    if (isFound || this.at < this.text.length) return isFound;
    // A scalar ends where the text ends.
    this.cut = !this.inScalar;
    return true;
  }

  private skipScalar(pauseAt: number): boolean {
    const { text } = this;
    const stopAt = Math.min(pauseAt, text.length);
    let { at } = this;
    while (at < stopAt && !endsScalar(text.charCodeAt(at))) at++;
    this.at = at;
    return at < stopAt;
  }

  private skipNested(pauseAt: number): boolean {
    const { text } = this;
    const stopAt = Math.min(pauseAt, text.length);
    let { at, level, deepest, colons } = this;
    let isFound = false;
    while (at < stopAt && !isFound) {
      const code = text.charCodeAt(at);
      if (this.inString || code === QUOTE) {
        at = this.skipString(this.inString ? at : at + 1, stopAt);
        isFound = level === 0 && !this.inString;
        continue;
      }
      at++;
      if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        if (++level > deepest) deepest = level;
      } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) isFound = --level === 0;
      else if (code === COLON && level === 1) colons++;
    }
    this.at = at;
    this.level = level;
    this.deepest = deepest;
    this.colons = colons;
    return isFound;
  }

  /** Moves behind the quote that ends a string, or part of the way. */
  private skipString(from: number, stopAt: number): number {
    const { text } = this;
    let at = from;
    do {
      at = text.indexOf('"', at);
      if (at === -1) {
        this.inString = true;
        return text.length;
      }
      let backslashes = 0;
      while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
      at++;
      if (backslashes % 2 === 0) {
        this.inString = false;
        return at;
      }
    } while (at < stopAt);
    this.inString = true;
    return at;
  }
}

function endsScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || isSpace(code);
}
