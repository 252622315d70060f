/** Stored events as JSON text, their payloads spliced in as Postgres wrote them: numbers keep all their digits. */
import type { StoredEvent } from '#store';

/** One event as `GET /events` shows it; `more` adds members at the end. */
export function eventViewText(event: StoredEvent, more: Readonly<Record<string, unknown>> = {}): string {
  const before = JSON.stringify({
    topic: event.topic,
    event_id: event.eventId,
    timestamp: event.timestamp,
    source: event.source,
  });
  const after = JSON.stringify({
    seq: event.seq,
    published_at: event.publishedAt,
    stored_at: event.storedAt,
    ...more,
  });
  return `${before.slice(0, -1)},"payload":${event.payload},${after.slice(1)}`;
}

/** A page as a JSON array. */
export function eventArrayText(events: readonly StoredEvent[]): string {
  return `[${events.map((event) => eventViewText(event)).join(',')}]`;
}

/** What `/events/{topic}/{event_id}` names; the id is everything after the topic, slashes included. */
export function identityOf(url: string): { topic: string; eventId: string } | undefined {
  const match = /^\/events\/([^/?]+)\/([^?]+)/.exec(url);
  if (!match) return undefined;
  try {
    return { topic: decodeURIComponent(match[1] ?? ''), eventId: decodeURIComponent(match[2] ?? '') };
  } catch {
    return undefined;
  }
}
