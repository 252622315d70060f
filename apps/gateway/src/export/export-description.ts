/** The description of `GET /events/export`. */
import type { DoorDescription } from '../description/operation.js';
import { cursorFrom } from '../description/shared-schemas.js';
import { EVENT_FILTER } from '../events/filter-description.js';

const LINE =
  '{"topic":"orders.created","event_id":"o-1","timestamp":"2026-11-22T10:00:00.000Z","source":"checkout","payload":{"total": 12.5},"seq":4711,"published_at":"2026-11-22T10:00:00.412Z","stored_at":"2026-11-22T10:00:00.431Z"}\n';
const CSV =
  'topic,event_id,timestamp,source,seq,published_at,stored_at,payload\norders.created,o-1,2026-11-22T10:00:00.000Z,checkout,4711,2026-11-22T10:00:00.412Z,2026-11-22T10:00:00.431Z,"{""total"": 12.5}"\n';

/** The door of exports. */
export const EXPORT_DOOR: DoorDescription = {
  name: 'Export',
  description: 'All events that match, in one answer.',
  schemas: {},
  operations: [
    {
      id: 'exportEvents',
      method: 'get',
      path: '/events/export',
      summary: 'Export stored events',
      description:
        'Oldest first, up to the newest that is settled. The answer is written while it is read, and compressed for a ' +
        'client that takes gzip. One that cannot be finished is cut off, so an answer that ends is whole. Where few events match, nothing may ' +
        'come for minutes while it searches.',
      scope: 'read',
      parameters: [
        ...EVENT_FILTER,
        {
          name: 'format',
          in: 'query',
          description:
            'A JSON document a line (`ndjson`, the default), or CSV with the payload as JSON text.',
          schema: { enum: ['ndjson', 'csv'] },
          example: 'csv',
        },
        cursorFrom('`Sekali-Cursor`'),
      ],
      answers: {
        200: {
          description: 'The events.',
          contents: {
            'application/x-ndjson': {
              schema: { type: 'string' },
              examples: { event: { summary: 'One event', value: LINE } },
            },
            'text/csv': {
              schema: { type: 'string' },
              examples: { event: { summary: 'The same as CSV', value: CSV } },
            },
          },
        },
      },
      problems: ['invalid-parameter', 'invalid-cursor', 'missing-topic', 'unavailable'],
    },
  ],
};
