import { Parser } from '@nats-io/nats-core/internal';

const FIELDS_AFTER_SUBJECT = 3;
const FIELDS_AFTER_SUBJECT_WITH_HEADERS = 4;
const WHITE_SPACE = new Set([0x20, 0x09, 0x0d]);
const PLAIN = 0x5f;

let isDone = false;

/**
 * Has the client read deliveries whose subjects contain white space, instead of closing the connection. It
 * holds for every connection of this process, and is repeatable.
 *
 * Brokers accept a carriage return within a subject from a publisher without a client library. With
 * nats-server before 2.14.3, a message that asks for its trace may leave a subject with a space. In the line
 * of a delivery,
 *
 *   MSG <subject> <sid> <reply> <size>
 *
 * white space ends a field. So the client counts one field too many, stops reading and drops its buffer. The
 * same happens at the redelivery. Deliveries always have a reply, so the fields are counted from the end
 * here. All text before them is the subject.
 */
export function readUnusualSubjects(): void {
  if (isDone) return;
  isDone = true;
  const { prototype } = Parser;
  const read = Object.getOwnPropertyDescriptor(prototype, 'processMsgArgs')?.value as (
    this: Parser,
    line: Uint8Array,
  ) => void;
  prototype.processMsgArgs = function (line) {
    try {
      read.call(this, line);
    } catch (error) {
      const end = endOfSubject(line, this.hdr < 0 ? FIELDS_AFTER_SUBJECT : FIELDS_AFTER_SUBJECT_WITH_HEADERS);
      if (end === undefined) throw error;
      read.call(this, withPlainSubject(line, end));
      this.ma.subject = line.subarray(0, end);
    }
  };
}

/**
 * Returns the end of the subject, which is followed by this many fields; `undefined` when no subject is left.
 */
function endOfSubject(line: Uint8Array, fieldsAfter: number): number | undefined {
  let at = line.length;
  for (let fields = 0; fields < fieldsAfter; fields++) {
    while (at > 0 && isWhite(line[at - 1])) at--;
    while (at > 0 && !isWhite(line[at - 1])) at--;
  }
  while (at > 0 && isWhite(line[at - 1])) at--;
  return at === 0 ? undefined : at;
}

function withPlainSubject(line: Uint8Array, end: number): Uint8Array {
  // The `slice()` of a Buffer would share its bytes.
  const plain = new Uint8Array(line);
  for (let at = 0; at < end; at++) if (isWhite(plain[at])) plain[at] = PLAIN;
  return plain;
}

function isWhite(byte: number | undefined): boolean {
  return byte !== undefined && WHITE_SPACE.has(byte);
}
