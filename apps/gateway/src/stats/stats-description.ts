/** The description of `GET /stats` and what is below it. */
import {
  arrayOf,
  COUNT,
  described,
  nullable,
  objectOf,
  schemaNamed,
  type DoorDescription,
  type Schema,
} from '../description/operation.js';
import { cursorFrom } from '../description/shared-schemas.js';
import { REPEATS_MAX } from './statistics.js';

const SECONDS: Schema = { type: 'number', minimum: 0 };
const TOPIC_FIGURES = {
  unique_processed: COUNT,
  duplicate_dropped: COUNT,
  conflicts: COUNT,
  dead_letters: COUNT,
};
const byTopic = (schema: string): Schema => ({
  type: 'object',
  description: 'Figures by topic. Messages without a topic have a name in brackets.',
  propertyNames: { pattern: '^[A-Za-z0-9_.()-]{1,1100}$' },
  additionalProperties: schemaNamed(schema),
});
const MORE_TOPICS: Schema = {
  type: 'boolean',
  description: 'Whether other topics follow. `Link` leads to them.',
};
const EXAMPLE_TOPIC = { unique_processed: 4, duplicate_dropped: 1, conflicts: 0, dead_letters: 0 };

const EXAMPLE_AT = '2026-11-22T10:00:00.000Z';
const EXAMPLE_ACTIVITY = { ...EXAMPLE_TOPIC, last_settled: { start: EXAMPLE_AT, seconds: 60 } };
const EXAMPLE_SOURCE = {
  ...{ topic: 'orders.created', source: 'checkout' },
  ...{ repeats: 3, conflicts: 1, last_at: EXAMPLE_AT },
};

const STATS: Schema = {
  ...objectOf({
    received: described('`unique_processed + duplicate_dropped + dead_letters + in_flight`.', COUNT),
    unique_processed: described('Events that are stored.', COUNT),
    duplicate_dropped: described('Repeats that were dropped.', COUNT),
    duplicates: described('The same, by who dropped them.', objectOf({ broker: COUNT, store: COUNT })),
    conflicts: described('Repeats with another payload, among those of the store.', COUNT),
    dead_letters: COUNT,
    redelivered: described('Deliveries of messages that had been settled.', COUNT),
    topics: described('Topics with stored events.', arrayOf({ type: 'string' })),
    uptime_seconds: described('Of this gateway.', SECONDS),
    in_flight: described('Messages that are not settled.', COUNT),
    per_topic: byTopic('TopicStats'),
    more_topics: MORE_TOPICS,
    gone: described('Messages that left the stream without being settled. They are not received.', COUNT),
    lag_seconds: described('The age of the oldest message that is not settled.', SECONDS),
    expires_in_seconds: described(
      'When it leaves the stream; null when there is none, or none leaves by age.',
      nullable(SECONDS),
    ),
    ids_kept_days: described(
      'For how many days an id is kept at least. Then a repeat is a new event. Null is for ever.',
      nullable(COUNT),
    ),
  }),
  description: 'What was received, and what became of it.',
};

/** The door of figures. */
export const STATS_DOOR: DoorDescription = {
  name: 'Figures',
  description: 'What was received, stored and dropped: exact, and the same from every gateway.',
  schemas: {
    TopicStats: objectOf(TOPIC_FIGURES),
    Stats: STATS,
    TopicActivity: objectOf({
      ...TOPIC_FIGURES,
      last_settled: described(
        'The span of time in which its last message was settled: a minute, and longer with age. Null where none was counted by time.',
        nullable(objectOf({ start: schemaNamed('Instant'), seconds: { enum: [60, 3_600, 86_400] } })),
      ),
    }),
    StatsOfTopics: objectOf({ per_topic: byTopic('TopicActivity'), more_topics: MORE_TOPICS }),
    Repeats: objectOf({
      inspected: described('Repeats that were inspected.', COUNT),
      since: described('When the oldest of them was recorded.', nullable(schemaNamed('Instant'))),
      sources: arrayOf(
        objectOf({
          topic: { type: 'string' },
          source: described(
            'Of the first event; null where it was dropped by age.',
            nullable({ type: 'string' }),
          ),
          repeats: described('Conflicts included.', COUNT),
          conflicts: COUNT,
          last_at: schemaNamed('Instant'),
        }),
        { description: 'The most frequent first.' },
      ),
    }),
  },
  operations: [
    {
      id: 'getStats',
      method: 'get',
      path: '/stats',
      summary: 'Read all figures',
      description:
        'The key needs to cover all topics. A broker may answer with an older state than is known: `503` then has ' +
        'the figures of the database as `known`.',
      scope: 'read',
      answers: {
        200: {
          description: 'The figures.',
          optionalHeaders: ['Link'],
          contents: {
            'application/json': {
              schema: schemaNamed('Stats'),
              examples: {
                figures: {
                  summary: 'Five messages, of which one was a repeat',
                  value: {
                    received: 5,
                    unique_processed: 4,
                    duplicate_dropped: 1,
                    duplicates: { broker: 1, store: 0 },
                    conflicts: 0,
                    dead_letters: 0,
                    redelivered: 0,
                    topics: ['orders.created'],
                    uptime_seconds: 3600,
                    in_flight: 0,
                    per_topic: { 'orders.created': EXAMPLE_TOPIC },
                    more_topics: false,
                    gone: 0,
                    lag_seconds: 0,
                    expires_in_seconds: null,
                    ids_kept_days: null,
                  },
                },
              },
            },
          },
        },
      },
      problems: ['missing-topic', 'unavailable'],
    },
    {
      id: 'listTopicStats',
      method: 'get',
      path: '/stats/topics',
      summary: 'List the figures of topics',
      description: 'In the order of their names. `Link` leads to the next page.',
      scope: 'read',
      parameters: [
        {
          name: 'limit',
          in: 'query',
          description: 'How many, at most. The default and the bound are 1,000.',
          schema: { type: 'integer', minimum: 1 },
          example: 10,
        },
        cursorFrom('`Link`'),
      ],
      answers: {
        200: {
          description: 'A page.',
          optionalHeaders: ['Link'],
          contents: {
            'application/json': {
              schema: schemaNamed('StatsOfTopics'),
              examples: {
                page: {
                  summary: 'One topic',
                  value: { per_topic: { 'orders.created': EXAMPLE_ACTIVITY }, more_topics: false },
                },
              },
            },
          },
        },
      },
      problems: ['invalid-parameter', 'invalid-cursor', 'missing-topic', 'unavailable'],
    },
    {
      id: 'listRepeats',
      method: 'get',
      path: '/stats/repeats',
      summary: 'Find out which sources repeat most',
      description:
        `The newest ${REPEATS_MAX} repeats that the store dropped, by topic and source. What the brokers dropped is not ` +
        'among them. The key needs to cover all topics.',
      scope: 'read',
      answers: {
        200: {
          description: 'The sources.',
          contents: {
            'application/json': {
              schema: schemaNamed('Repeats'),
              examples: {
                one: {
                  summary: 'One source sent three events again',
                  value: { inspected: 3, since: EXAMPLE_AT, sources: [EXAMPLE_SOURCE] },
                },
              },
            },
          },
        },
      },
      problems: ['missing-topic', 'unavailable'],
    },
  ],
};
