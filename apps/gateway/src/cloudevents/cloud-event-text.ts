/** Stored events as CloudEvents in their JSON format. Payloads keep the characters with which Postgres wrote them. */
import type { StoredEvent } from '#store';

/** The media type of one CloudEvent in its JSON format. */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';
/** The media type of an array of them. */
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json';

/** Whether a client asks for a media type by name. */
export function accepts(header: string | undefined, type: string): boolean {
  return (header ?? '').split(',').some((one) => one.split(';', 1)[0]?.trim().toLowerCase() === type);
}

/**
 * A stored event as a CloudEvent. One that came as a CloudEvent is given back as it came.
 *
 * Others get `<topic>:<event_id>` as their id, because two topics may use the same one. An event without a source that
 * may stand in a URI has it percent-encoded.
 */
export function cloudEventText(event: StoredEvent): string {
  const { topic, eventId, timestamp, source, payload } = event;
  if (isCloudEvent(payload, source)) return payload;
  const attributes = JSON.stringify({
    specversion: '1.0',
    id: `${topic}:${eventId}`,
    source: encodeURI(source),
    type: topic,
    time: timestamp,
    datacontenttype: 'application/json',
  });
  return `${attributes.slice(0, -1)},"data":${payload}}`;
}

function isCloudEvent(payload: string, eventSource: string): boolean {
  // Most payloads end here, without being parsed.
  if (!payload.includes('"specversion"')) return false;
  const { specversion, id, source, type } = JSON.parse(payload) as Readonly<Record<string, unknown>>;
  return specversion === '1.0' && source === eventSource && isFilled(id) && isFilled(type);
}

function isFilled(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
