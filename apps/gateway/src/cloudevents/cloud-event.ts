/** CloudEvents of a request as events that may be published, by the rules of libs/contracts. */
import { readCloudEvent } from '#contracts';
import { asPublication, type Checked } from '../publish/publish-request.js';
import type { EventCheck } from '../publish/publishing.js';

const TYPE_LENGTH_MAX = 256;

/**
 * Reads CloudEvents in their JSON format.
 *
 * @param boundSource the only source of the key, `undefined` when it may send several
 * @param nowMs the time of arrival, for CloudEvents without one
 */
export function cloudEventCheck(boundSource: string | undefined, nowMs: () => number = Date.now): EventCheck {
  return ({ start, end, flaw }, text, _index, eventBytesMax): Checked => {
    if (flaw !== undefined) return { valid: false, errors: [flaw] };
    const written = text.slice(start, end);
    let value: unknown;
    try {
      value = JSON.parse(written);
    } catch (error) {
      return { valid: false, errors: [{ field: 'event', message: (error as Error).message }] };
    }
    const read = readCloudEvent(value, written, boundSource, nowMs);
    if (!read.ok) return { valid: false, errors: read.errors };
    const { event, type, idOrigin } = read;
    const checked = asPublication(event, eventBytesMax, idOrigin);
    return checked.valid && event.topic !== type
      ? { ...checked, topicName: type.slice(0, TYPE_LENGTH_MAX) }
      : checked;
  };
}
