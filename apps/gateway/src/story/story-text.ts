/** Entries of a story as JSON text. Values of payloads are inserted as Postgres wrote them, so no digit is lost. */
import type { PublishDoor } from '#contracts';
import type { StoryEntry } from '#store';
import { payloadDifferences, type PayloadDifference } from './payload-differences.js';

/** The way on which an event came. */
export type EventOrigin =
  /** A gateway published it. One of the version before has not written by which door it came. */
  | { readonly through: 'gateway'; readonly door: PublishDoor | undefined }
  /** A producer published it to the brokers, or an operator replayed a dead letter. */
  | { readonly through: 'nats' | 'replay'; readonly door?: undefined };

/** Differences that are shown of one conflict. */
const DIFFERENCES_MAX = 20;
/** A longer value is not shown. */
const VALUE_LENGTH_MAX = 2_000;

/**
 * Writes one entry.
 *
 * @param payload the stored payload; null when it was dropped
 * @param origin null when the brokers no longer have the message, or do not answer
 */
export function entryText(entry: StoryEntry, payload: string | null, origin: EventOrigin | null): string {
  const { at, kind, seq } = entry;
  switch (kind) {
    case 'published':
      return JSON.stringify({ at, kind, seq, through: origin?.through ?? null, door: origin?.door ?? null });
    case 'stored':
    case 'duplicate':
      return JSON.stringify({ at, kind, seq, ...entry.facts });
    case 'conflict':
      return `${JSON.stringify({ at, kind, seq, ...entry.facts }).slice(0, -1)},${differencesText(payload, entry.payload)}}`;
    case 'dead_letter':
    case 'replay':
    case 'drop':
      return JSON.stringify({ at, kind, seq, dead_letter: entry.deadLetter, ...entry.facts });
  }
}

function differencesText(stored: string | null, sent: string | null): string {
  if (stored === null || sent === null) return '"differences":null,"more_differences":false';
  const found = payloadDifferences(stored, sent, DIFFERENCES_MAX + 1);
  const shown = found.slice(0, DIFFERENCES_MAX).map(differenceText);
  return `"differences":[${shown.join(',')}],"more_differences":${found.length > DIFFERENCES_MAX}`;
}

function differenceText({ path, stored, sent }: PayloadDifference): string {
  return `{"path":${JSON.stringify(path)}${valueText('stored', stored)}${valueText('sent', sent)}}`;
}

/** A member that is left out says that the payload has nothing there. */
function valueText(name: string, value: string | undefined): string {
  if (value === undefined) return '';
  return value.length <= VALUE_LENGTH_MAX
    ? `,"${name}":${value}`
    : `,"${name}_bytes":${Buffer.byteLength(value)}`;
}
