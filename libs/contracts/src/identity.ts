/**
 * The identity of an event at every door: what its record brings as an id, else a hash of the record.
 *
 *   the record has an id ─within bounds──▶ the id itself
 *         │             └─beyond them───▶ its hash
 *         └─none────────────────────────▶ hash of the canonical record, with its ordinal among equals in the request
 *
 * A retry must find the same id. So nothing that a gateway invents is part of it: no time of arrival, no counter of the
 * process, no name of a machine. Clients do not repeat requests byte for byte, so the hash of a request would be wrong:
 * some merge a failed batch with newer records, others send it again one by one.
 *
 * Two records that are equal in everything, time included, are one event when they come in different requests. Within
 * one request they are several, as far apart as `EQUALS_AMONG`.
 */
import { createHash } from 'node:crypto';
import { eventIdError } from './event.js';

/** Where an event id comes from: the record, the hash of an id beyond the bounds, or the hash of the record. */
export type IdOrigin = 'given' | 'hashed_id' | 'hashed_record';

/** An event id, and where it comes from. */
export interface DerivedId {
  readonly eventId: string;
  readonly origin: IdOrigin;
}

const HASHED = 'sha256:';
/** Equal records are counted among this many different ones, and at most twice as many. It bounds the memory. */
export const EQUALS_AMONG = 4_096;

/**
 * The id that a record brings, in one or several parts, for example source and id.
 *
 * @param parts in order of significance; several are joined by a blank
 * @returns the parts as they are, or their hash when they are no valid event id together. It is `undefined` when the
 *   last part is empty: then the record has no id
 */
export function givenId(...parts: readonly string[]): DerivedId | undefined {
  if ((parts.at(-1) ?? '') === '') return undefined;
  const joined = parts.join(' ');
  // With a blank in an earlier part, two lists of parts could have one text.
  const isAmbiguous = parts.slice(0, -1).some((part) => /\s/.test(part));
  // Another record may bring as an id what is the hash of this one's.
  const resemblesHash = joined.startsWith(HASHED);
  if (!isAmbiguous && !resemblesHash && eventIdError(joined) === undefined)
    return { eventId: joined, origin: 'given' };
  return { eventId: hashed('id', parts), origin: 'hashed_id' };
}

/** Gives the records of one request their hashes as ids. */
export class RecordIds {
  /** How often each hash came: two generations, of which the older is forgotten when the younger is full. */
  private younger = new Map<string, number>();
  private older = new Map<string, number>();

  /** @param among see `EQUALS_AMONG` */
  constructor(private readonly among = EQUALS_AMONG) {}

  /**
   * The id of the next record.
   *
   * @param parts everything the client sent that makes the record what it is, in canonical form, in a fixed order
   */
  next(parts: readonly string[]): DerivedId {
    const hash = hashed('record', parts);
    const ordinal = (this.younger.get(hash) ?? this.older.get(hash) ?? 0) + 1;
    this.younger.set(hash, ordinal);
    if (this.younger.size >= this.among) {
      this.older = this.younger;
      this.younger = new Map();
    }
    return { eventId: ordinal === 1 ? hash : `${hash}.${ordinal}`, origin: 'hashed_record' };
  }
}

/** The kind keeps the hash of an id apart from the hash of a record with the same text. */
function hashed(kind: 'id' | 'record', parts: readonly string[]): string {
  const text = JSON.stringify([kind, ...parts]);
  return HASHED + createHash('sha256').update(text).digest('base64url');
}
