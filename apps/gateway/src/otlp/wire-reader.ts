/**
 * Reads the wire format of protobuf, as much of it as OTLP uses: no groups, and no packed fields.
 *
 * Five small messages need no generated code. A generated decoder would create an object for every value, and the
 * values are needed as text.
 */
import { isUtf8 } from 'node:buffer';
import type { Span } from '#contracts';
import { MalformedLogsError } from './any-value.js';

const VARINT = 0;
const FIXED_64 = 1;
const DELIMITED = 2;
const FIXED_32 = 5;
const VARINT_BYTES_MAX = 10;
/** Seven bytes of seven bits are an integer that a number holds exactly. */
const EXACT_BYTES_MAX = 7;

/** Reads the fields of one message. After `next`, the field must be read by one call, or skipped. */
export class WireReader {
  private at: number;
  private readonly end: number;
  private wireType = VARINT;

  /** @param message its place in the bytes */
  constructor(
    private readonly bytes: Buffer,
    message: Span,
  ) {
    this.at = message.start;
    this.end = message.end;
  }

  /** The number of the next field; 0 behind the last one. */
  next(): number {
    if (this.at >= this.end) return 0;
    const tag = this.varint();
    this.wireType = tag % 8;
    const field = Math.floor(tag / 8);
    if (field === 0) throw new MalformedLogsError('a field of the protobuf message has the number 0');
    return field;
  }

  /** The place of a message, a string or bytes. */
  span(): Span {
    this.require(DELIMITED);
    const length = this.varint();
    return this.take(length);
  }

  string(): string {
    const { start, end } = this.span();
    const text = this.bytes.toString('utf8', start, end);
    // The decoder replaces what is not UTF-8 by this character, which a client may send as well.
    if (text.includes('\uFFFD') && !isUtf8(this.bytes.subarray(start, end)))
      throw new MalformedLogsError('a string is not UTF-8');
    return text;
  }

  /** Bytes in base64 or hex. */
  bytesAs(encoding: 'base64' | 'hex'): string {
    const { start, end } = this.span();
    return this.bytes.toString(encoding, start, end);
  }

  boolean(): boolean {
    return this.integer() !== '0';
  }

  /** A signed integer of up to 64 bits, as digits. */
  integer(): string {
    this.require(VARINT);
    const start = this.at;
    const value = this.varint();
    if (this.at - start <= EXACT_BYTES_MAX) return String(value);
    let exact = 0n;
    for (let at = this.at - 1; at >= start; at -= 1)
      exact = (exact << 7n) | BigInt((this.bytes[at] ?? 0) & 0x7f);
    return BigInt.asIntN(64, exact).toString();
  }

  /** An unsigned integer of 64 bits, as digits. */
  fixed64(): string {
    this.require(FIXED_64);
    return this.bytes.readBigUInt64LE(this.take(8).start).toString();
  }

  /** An unsigned integer of 32 bits, as digits. */
  fixed32(): string {
    this.require(FIXED_32);
    return String(this.bytes.readUInt32LE(this.take(4).start));
  }

  double(): number {
    this.require(FIXED_64);
    return this.bytes.readDoubleLE(this.take(8).start);
  }

  /** Skips a field that is not known here, which newer clients may send. */
  skip(): void {
    if (this.wireType === VARINT) this.varint();
    else if (this.wireType === FIXED_64) this.take(8);
    else if (this.wireType === FIXED_32) this.take(4);
    else this.span();
  }

  private require(wireType: number): void {
    if (this.wireType !== wireType)
      throw new MalformedLogsError(`a field has the wire type ${this.wireType} in place of ${wireType}`);
  }

  private take(length: number): Span {
    const start = this.at;
    const end = start + length;
    if (end > this.end) throw new MalformedLogsError('a protobuf message ends within a field');
    this.at = end;
    return { start, end };
  }

  /** An unsigned integer. It is exact up to 49 bits, which is longer than any body. */
  private varint(): number {
    const { bytes } = this;
    const endMax = Math.min(this.end, this.at + VARINT_BYTES_MAX);
    let value = 0;
    for (let scale = 1; this.at < endMax; scale *= 128) {
      const byte = bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new MalformedLogsError('an integer of the protobuf message has no end, or more than 64 bits');
  }
}
