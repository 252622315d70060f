/** Events as lines of CSV (RFC 4180). The payload is JSON text in one field. */
import type { StoredEvent } from '#store';

/** The line of names, with its end. */
export const CSV_HEAD = 'topic,event_id,timestamp,source,seq,published_at,stored_at,payload\n';

/** One event, without the end of the line. */
export function csvLine(event: StoredEvent): string {
  const { topic, eventId, timestamp, source, seq, publishedAt, storedAt, payload } = event;
  return [topic, eventId, timestamp, source, String(seq), publishedAt, storedAt, payload]
    .map(field)
    .join(',');
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
