/** The description of `GET /events/stream`. */
import type { DoorDescription } from '../description/operation.js';
import { cursorFrom } from '../description/shared-schemas.js';
import { EVENT_FILTER } from '../events/filter-description.js';

const EXAMPLE = `retry: 1000

id: MS4xLjQ3MTE
event: event
data: {"topic":"orders.created","event_id":"o-1","timestamp":"2026-11-22T10:00:00.000Z","source":"checkout","payload":{"total": 12.5},"seq":4711,"published_at":"2026-11-22T10:00:00.412Z","stored_at":"2026-11-22T10:00:00.431Z"}

`;

/** The door of events that are followed. */
export const LIVE_DOOR: DoorDescription = {
  name: 'Following',
  description: 'Events as they are stored.',
  schemas: {},
  operations: [
    {
      id: 'followEvents',
      method: 'get',
      path: '/events/stream',
      summary: 'Follow stored events',
      description:
        'Server-sent events. `event` has an event, and `position` says how far was inspected without a match. `waiting` ' +
        'says that the store does not answer, and `resumed` that it does again. It begins now, or behind a cursor. A ' +
        'client that comes back with the `id` of the last message as `Last-Event-ID` has missed nothing. One that does not read is cut off. Every client is asked to come ' +
        'back after a quarter of an hour.',
      scope: 'read',
      isEndless: true,
      parameters: [
        ...EVENT_FILTER,
        cursorFrom('`Sekali-Cursor`, or an `id` of this stream'),
        {
          name: 'Last-Event-ID',
          in: 'header',
          description: 'The last `id` that the client has got. It takes the place of `cursor`.',
          schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', maxLength: 8_192, 'x-opaque': true },
        },
      ],
      answers: {
        200: {
          description: 'Messages, until one side ends it.',
          contents: {
            'text/event-stream': {
              schema: { type: 'string' },
              examples: { messages: { summary: 'One event', value: EXAMPLE } },
            },
          },
        },
      },
      problems: ['invalid-parameter', 'invalid-cursor', 'missing-topic', 'unavailable'],
    },
  ],
};
