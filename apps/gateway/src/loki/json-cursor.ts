/** Walks through JSON in bytes without making a tree of it. */
import { malformedPush } from './push.js';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SCALAR = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)$/;
/** A scalar that is longer is not a number of a push. */
const SCALAR_BYTES_MAX = 64;
const BYTE_ORDER_MARK = Buffer.from('\uFEFF');

/** A position in JSON text. Every method throws a 400 where the text is not what it reads. */
export class JsonCursor {
  private at: number;

  constructor(private readonly bytes: Buffer) {
    this.at = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
  }

  /** Where the next value begins. `moveTo` returns there. */
  get position(): number {
    return this.at;
  }

  /** Continues at an earlier position. */
  moveTo(position: number): void {
    this.at = position;
  }

  /** Enters an object: gives the name of each member, whose value the caller has to read or skip. */
  *members(): Generator<string, undefined> {
    this.take(OPEN_BRACE);
    if (this.takeIf(CLOSE_BRACE)) return;
    do {
      const name = this.string();
      this.take(COLON);
      yield name;
    } while (this.takeIf(COMMA));
    this.take(CLOSE_BRACE);
  }

  /** Enters an array: stands before each element, which the caller has to read or skip. */
  *elements(): Generator<this, undefined> {
    this.take(OPEN_BRACKET);
    if (this.takeIf(CLOSE_BRACKET)) return;
    do yield this;
    while (this.takeIf(COMMA));
    this.take(CLOSE_BRACKET);
  }

  /** Whether the next value is a string. */
  get isString(): boolean {
    return this.next() === QUOTE;
  }

  /** Reads a string. */
  string(): string {
    if (!this.isString) throw this.unexpected('a string');
    const start = this.at;
    this.at = this.stringEnd(start);
    return this.parsed(start);
  }

  /** Reads a string, or the characters of a number, true, false or null. */
  scalar(): string {
    if (this.isString) return this.string();
    const start = this.at;
    this.skipScalar();
    return this.bytes.toString('latin1', start, this.at);
  }

  /** Passes over a value. Of what is in it, only brackets and strings are inspected. */
  skipValue(): void {
    let depth = 0;
    do {
      const code = this.next();
      if (code === QUOTE) this.at = this.stringEnd(this.at);
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += this.step();
      else if (depth > 0 && (code === CLOSE_BRACE || code === CLOSE_BRACKET)) depth -= this.step();
      else if (depth > 0 && (code === COMMA || code === COLON)) this.step();
      else this.skipScalar();
    } while (depth > 0);
  }

  /** Passes over white space to the end. */
  requireEnd(): void {
    if (this.next() !== undefined) throw this.unexpected('its end');
  }

  private step(): 1 {
    this.at += 1;
    return 1;
  }

  private skipScalar(): void {
    const start = this.at;
    while (isOfScalar(this.bytes[this.at])) this.at += 1;
    const isTooLong = this.at - start > SCALAR_BYTES_MAX;
    if (isTooLong || !SCALAR.test(this.bytes.toString('latin1', start, this.at))) {
      this.at = start;
      throw this.unexpected('a value');
    }
  }

  /** The next byte that is not white space; `undefined` at the end. */
  private next(): number | undefined {
    for (;;) {
      const code = this.bytes[this.at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.at += 1;
    }
  }

  private take(code: number): void {
    if (!this.takeIf(code)) throw this.unexpected(JSON.stringify(String.fromCharCode(code)));
  }

  private takeIf(code: number): boolean {
    if (this.next() !== code) return false;
    this.at += 1;
    return true;
  }

  private stringEnd(start: number): number {
    const { bytes } = this;
    for (let at = bytes.indexOf(QUOTE, start + 1); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) {
      let backslashes = 0;
      while (bytes[at - 1 - backslashes] === BACKSLASH) backslashes += 1;
      if (backslashes % 2 === 0) return at + 1;
    }
    throw malformedPush('a string has no end');
  }

  private parsed(start: number): string {
    try {
      return JSON.parse(this.bytes.toString('utf8', start, this.at)) as string;
    } catch {
      this.at = start;
      throw this.unexpected('a string of JSON');
    }
  }

  private unexpected(expected: string): Error {
    return malformedPush(`${expected} was expected at byte ${this.at}`);
  }
}

function isOfScalar(code: number | undefined): boolean {
  if (code === undefined) return false;
  // a-z, A-Z, 0-9, and the signs of numbers.
  const isLetter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
  return isLetter || (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e;
}
