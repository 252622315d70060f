/** The description of `GET /events/{topic}/{event_id}/story`. */
import { PUBLISH_DOORS } from '#contracts';
import {
  arrayOf,
  COUNT,
  described,
  nullable,
  objectOf,
  schemaNamed,
  type DoorDescription,
  type OperationDescription,
  type Parameter,
  type Schema,
} from '../description/operation.js';
import { cursorFrom } from '../description/shared-schemas.js';
import { EVENT_ID, EVENT_ID_IN_QUERY, EVENT_TOPIC } from '../events/events-description.js';

const TEXT: Schema = { type: 'string' };
const REPEAT = {
  recorded_at: schemaNamed('Instant'),
  messages_later: described(
    'Sequences after the first message; null when the stream was created again in between.',
    nullable(COUNT),
  ),
  seconds_later: described('Null when the payload was dropped by age.', nullable({ type: 'number' })),
};
const ACTION = {
  dead_letter: schemaNamed('DeadLetterId'),
  consumer: TEXT,
  by: described('The name of the key; null where keys are not required.', nullable(TEXT)),
  reason: nullable(TEXT),
};

function entry(kind: string, members: Readonly<Record<string, Schema>>): Schema {
  return objectOf({
    at: schemaNamed('Instant'),
    kind: { const: kind },
    seq: schemaNamed('Sequence'),
    ...members,
  });
}

const ENTRY: Schema = {
  description: 'One thing that happened. `kind` says what.',
  oneOf: [
    entry('published', {
      through: described('Null when the brokers no longer have the message.', {
        enum: ['gateway', 'nats', 'replay', null],
      }),
      door: described('The door of the gateway by which it came; null where that is not known.', {
        enum: [...PUBLISH_DOORS, null],
      }),
    }),
    entry('stored', { timestamp: nullable(schemaNamed('Instant')), source: nullable(TEXT) }),
    entry('duplicate', REPEAT),
    entry('conflict', {
      ...REPEAT,
      differences: described(
        'Up to 20 places that differ; null when the stored payload was dropped by age.',
        nullable(arrayOf(schemaNamed('Difference'), { maxItems: 20 })),
      ),
      more_differences: { type: 'boolean' },
    }),
    entry('dead_letter', {
      dead_letter: schemaNamed('DeadLetterId'),
      consumer: TEXT,
      reason: TEXT,
      detail: TEXT,
      deliveries: COUNT,
      recorded_at: schemaNamed('Instant'),
      is_replay: described('Whether the message is the replay of an earlier one.', { type: 'boolean' }),
    }),
    entry('replay', {
      ...ACTION,
      replay_seq: nullable(schemaNamed('Sequence')),
      became: { enum: ['stored', 'duplicate', 'dead_letter', 'in_flight', null] },
    }),
    entry('drop', ACTION),
  ],
};

const DIFFERENCE: Schema = {
  ...objectOf(
    {
      path: described('A JSON Pointer.', TEXT),
      stored: described('Left out where the stored payload has nothing there.', schemaNamed('Value')),
      stored_bytes: described('Of a value that is too long to be shown.', COUNT),
      sent: described('The same of the repeat.', schemaNamed('Value')),
      sent_bytes: COUNT,
    },
    ['stored', 'stored_bytes', 'sent', 'sent_bytes'],
  ),
  description: 'One place where two payloads differ.',
};

const EXAMPLE = {
  topic: 'orders.created',
  event_id: 'o-1',
  state: 'stored',
  entries: [
    { at: '2026-11-22T10:00:00.412000Z', kind: 'published', seq: 4711, through: 'gateway', door: 'publish' },
    {
      at: '2026-11-22T10:00:00.431000Z',
      kind: 'stored',
      seq: 4711,
      timestamp: '2026-11-22T10:00:00.000000Z',
      source: 'checkout',
    },
  ],
};

const PAGE: readonly Parameter[] = [
  {
    name: 'limit',
    in: 'query',
    description: 'How many entries, at most. The default and the bound are 100.',
    schema: { type: 'integer', minimum: 1 },
  },
  cursorFrom('`Link`'),
];

const STORY: Pick<OperationDescription, 'answers' | 'problems'> = {
  answers: {
    200: {
      description: 'A page of the story, oldest entry first.',
      optionalHeaders: ['Link'],
      contents: {
        'application/json': {
          schema: schemaNamed('Story'),
          examples: { story: { summary: 'It was published and stored', value: EXAMPLE } },
        },
      },
    },
  },
  problems: ['invalid-parameter', 'invalid-cursor', 'missing-topic', 'unknown-event', 'unavailable'],
};

/** The door of stories. */
export const STORY_DOOR: DoorDescription = {
  name: 'Story',
  description: 'What happened to one event: its repeats, what differed in a conflict, and its dead letters.',
  schemas: {
    Story: objectOf({
      topic: schemaNamed('Topic'),
      event_id: schemaNamed('EventId'),
      state: { enum: ['stored', 'payload_dropped', 'not_stored'] },
      entries: arrayOf(schemaNamed('StoryEntry')),
    }),
    StoryEntry: ENTRY,
    Difference: DIFFERENCE,
  },
  operations: [
    {
      id: 'getStory',
      method: 'get',
      path: '/events/{topic}/{event_id}/story',
      summary: 'Read what happened to an event',
      description:
        'Repeats that the brokers dropped are counted per topic only. Slashes of an id are percent-encoded.',
      scope: 'read',
      parameters: [EVENT_TOPIC, EVENT_ID, ...PAGE],
      ...STORY,
    },
    {
      id: 'getStoryByQuery',
      method: 'get',
      path: '/events/{topic}/story',
      summary: 'Read what happened to an event, by a query',
      description: 'The same, for ids that a client would take out of a path.',
      scope: 'read',
      parameters: [EVENT_TOPIC, EVENT_ID_IN_QUERY, ...PAGE],
      ...STORY,
    },
  ],
};
