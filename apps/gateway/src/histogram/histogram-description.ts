/** The description of `GET /histogram`. */
import {
  arrayOf,
  COUNT,
  described,
  nullable,
  objectOf,
  schemaNamed,
  type DoorDescription,
} from '../description/operation.js';
import { instantIn, TOPIC_FILTER } from '../description/shared-schemas.js';
import { BUCKETS_MAX } from './histogram-query.js';

const COUNTS = {
  stored: described('Events that were stored.', COUNT),
  duplicates: described('Repeats that the store dropped, conflicts included.', COUNT),
  conflicts: described('Repeats with another payload.', COUNT),
  dead_letters: COUNT,
};
const EXAMPLE_COUNTS = { stored: 10, duplicates: 3, conflicts: 1, dead_letters: 0 };

/** The door of counts by time. */
export const HISTOGRAM_DOOR: DoorDescription = {
  name: 'Counts by time',
  description: 'How many messages were settled when: exact, for ever, and the same from every gateway.',
  schemas: {
    Histogram: objectOf({
      since: described('Where the first bucket may begin.', schemaNamed('Instant')),
      until: described('Where the last one ends.', schemaNamed('Instant')),
      step_seconds: described('The length of a bucket.', { type: 'integer', minimum: 60 }),
      counted_since: described(
        'Messages that were settled before this instant may be in no bucket; null where all are.',
        nullable(schemaNamed('Instant')),
      ),
      totals: described('The sums of all buckets.', objectOf(COUNTS)),
      buckets: arrayOf(
        objectOf({ start: described('Where it begins.', schemaNamed('Instant')), ...COUNTS }),
        { description: 'In the order of time. A bucket without messages is left out.' },
      ),
    }),
  },
  operations: [
    {
      id: 'getHistogram',
      method: 'get',
      path: '/histogram',
      summary: 'Count what was settled when',
      description:
        'The time is that of settling: `stored_at` of an event, and when a duplicate or dead letter was recorded. ' +
        'The ends are moved outwards to whole steps. Older counts are kept by the hour, and then by the day: the step ' +
        `then becomes longer, and the answer says so. It also does for more than ${BUCKETS_MAX} buckets.`,
      scope: 'read',
      parameters: [
        TOPIC_FILTER,
        instantIn('since', 'the time of settling. The default is an hour before `until`'),
        instantIn('until', 'the time of settling. The default is now'),
        {
          name: 'step',
          in: 'query',
          description:
            'The length of a bucket: whole minutes that divide a day, or whole days, up to 36,500. Without a unit, it is in seconds.',
          schema: { enum: ['60', '1m', '5m', '15m', '1h', '6h', '1d', '7d'] },
          example: '1m',
        },
      ],
      answers: {
        200: {
          description: 'The counts.',
          contents: {
            'application/json': {
              schema: schemaNamed('Histogram'),
              examples: {
                hour: {
                  summary: 'An hour, in one minute of which messages came',
                  value: {
                    since: '2026-11-22T10:00:00.000Z',
                    until: '2026-11-22T11:00:00.000Z',
                    step_seconds: 60,
                    counted_since: null,
                    totals: EXAMPLE_COUNTS,
                    buckets: [{ start: '2026-11-22T10:05:00.000Z', ...EXAMPLE_COUNTS }],
                  },
                },
              },
            },
          },
        },
      },
      problems: ['invalid-parameter', 'missing-topic', 'unavailable'],
    },
  ],
};
