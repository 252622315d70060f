/** Reads the fields of a protobuf message: the wire format, without a schema (protobuf.dev/programming-guides/encoding). */

/** A field: its number, and what it holds by its wire type. */
export type ProtobufField =
  | { readonly number: number; readonly varint: bigint }
  | { readonly number: number; readonly bytes: Buffer }
  /** A fixed number. */
  | { readonly number: number; readonly fixed: Buffer };

/** Bytes that are not a message. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

const VARINT_BYTES_MAX = 10;
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const NUMBER_MAX = 2 ** 29 - 1;

/** The fields of a message in the order of the wire. @throws ProtobufError, from `next()` */
export function* protobufFields(message: Buffer): Generator<ProtobufField, undefined> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0; shift < VARINT_BYTES_MAX; shift++) {
      const byte = message[at++];
      if (byte === undefined) throw new ProtobufError('a number ends behind the message');
      value |= BigInt(byte & 0x7f) << BigInt(7 * shift);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError('a number has more than ten bytes');
  };
  const take = (size: number): Buffer => {
    const end = at + size;
    if (end > message.length) throw new ProtobufError('a field ends behind the message');
    const bytes = message.subarray(at, end);
    at = end;
    return bytes;
  };
  while (at < message.length) {
    const tag = Number(varint());
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    if (number < 1 || number > NUMBER_MAX) throw new ProtobufError('a field has no valid number');
    if (type === 0) yield { number, varint: varint() };
    else if (type === 2) yield { number, bytes: take(Number(varint())) };
    else if (FIXED_BYTES[type] !== undefined) yield { number, fixed: take(FIXED_BYTES[type]) };
    else throw new ProtobufError(`wire type ${type} is not known`);
  }
}
