/** The description of `POST /publish`. */
import {
  arrayOf,
  COUNT,
  described,
  objectOf,
  schemaNamed,
  type Contents,
  type DoorDescription,
  type OperationAnswer,
  type Parameter,
  type Schema,
} from '../description/operation.js';
import { EXAMPLE_EVENT } from '../description/shared-schemas.js';
import { PUBLISH_EVENTS_MAX, type PublishedOutcome } from '#contracts';

const FIELD: Schema = {
  type: 'string',
  pattern: String.raw`^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]+$`,
  minLength: 1,
  maxLength: 256,
};
const LOG_LINES = [
  { topic: 'logs.web', event_id: '3', timestamp: '2026-11-22T10:00:00Z', source: 'web', payload: {} },
  { topic: 'logs.web', event_id: '4', timestamp: '2026-11-22T10:00:01Z', source: 'web', payload: {} },
]
  .map((event) => JSON.stringify(event))
  .join('\n');
const LINES: Contents[string] = {
  schema: {
    type: 'string',
    description:
      'One event in each line. Where the key or `Sekali-Topic` names a topic, a line may be any JSON object.',
    'x-line': schemaNamed('Event'),
  },
  examples: { lines: { summary: 'Two events', value: LOG_LINES } },
};

/** Outcomes of the events of a request, of this door and of others that answer in the same form. */
export const PUBLISH_ANSWER: Contents = {
  'application/json': {
    schema: schemaNamed('PublishResponse'),
    examples: {
      accepted: {
        summary: 'The brokers have the event',
        value: {
          accepted: 1,
          duplicates: 0,
          rejected: [],
          results: [{ index: 0, topic: 'orders.created', event_id: 'o-1', status: 'accepted', seq: 4711 }],
        },
      },
      duplicate: {
        summary: 'They had it before',
        value: {
          accepted: 1,
          duplicates: 1,
          rejected: [],
          results: [{ index: 0, topic: 'orders.created', event_id: 'o-1', status: 'duplicate', seq: 4711 }],
        },
      },
    },
  },
};

/** The answer to a client that waited until each outcome was known. */
export const SETTLED_ANSWER = {
  description: 'With `Prefer: wait`, a worker has decided on every event.',
  headers: ['PreferenceApplied'],
  contents: {
    'application/json': {
      schema: schemaNamed('PublishResponse'),
      examples: {
        stored: {
          summary: 'The event is stored',
          value: {
            accepted: 1,
            duplicates: 0,
            outcomes: { stored: 1, duplicate: 0, conflict: 0, dead_letter: 0, pending: 0 },
            rejected: [],
            results: [
              {
                ...{ index: 0, topic: 'orders.created', event_id: 'o-1', status: 'accepted', seq: 4711 },
                outcome: 'stored',
              },
            ],
          },
        },
      },
    },
  },
} satisfies OperationAnswer;

/** `Prefer: handling=lenient` and `Prefer: wait`. */
export const PREFER: Parameter = {
  name: 'Prefer',
  in: 'header',
  description:
    '`handling=lenient` publishes the valid events and reports the others (RFC 7240). `wait=<seconds>` waits for the ' +
    'outcomes, for up to 30 seconds. Other preferences are ignored, and so is `wait` with lines whose results are not all listed.',
  schema: {
    type: 'string',
    enum: ['handling=lenient', 'handling=strict', 'wait=1', 'handling=lenient, wait=1'],
  },
};

/** The encodings of a body that each Node has. */
export const CONTENT_ENCODING: Parameter = {
  name: 'Content-Encoding',
  in: 'header',
  description: 'How the body is compressed. `zstd` is taken where the Node of the gateway has it (22.15).',
  schema: { type: 'string', enum: ['identity', 'gzip', 'deflate', 'br'] },
};

const OUTCOME_NAMES: readonly PublishedOutcome[] = [
  'stored',
  'duplicate',
  'conflict',
  'dead_letter',
  'pending',
];

const PUBLISH_RESULT: Schema = {
  ...objectOf(
    {
      index: described('Of the event, or of the line, from 0.', COUNT),
      topic: schemaNamed('Topic'),
      event_id: schemaNamed('EventId'),
      id_origin: described('Where the id comes from, when the event did not bring it in this form.', {
        enum: ['hashed_record', 'hashed_id'],
      }),
      topic_name: described('The name from which the topic was derived, when they differ.', {
        type: 'string',
        maxLength: 256,
      }),
      status: { enum: ['accepted', 'duplicate', 'invalid', 'unavailable'] },
      seq: schemaNamed('Sequence'),
      outcome: described('What became of it, where the client waited.', { enum: OUTCOME_NAMES }),
      first_seq: described(
        'Of the stored event, of which it is a duplicate or with which it is in conflict.',
        schemaNamed('Sequence'),
      ),
      reason: described('Why it is a dead letter.', { type: 'string' }),
      errors: arrayOf(schemaNamed('FieldError'), { minItems: 1 }),
    },
    [
      ...['topic', 'event_id', 'id_origin', 'topic_name', 'seq'],
      ...['outcome', 'first_seq', 'reason', 'errors'],
    ],
  ),
  description: 'The outcome of one event.',
  if: { properties: { status: { enum: ['accepted', 'duplicate'] } } },
  then: { required: ['topic', 'event_id', 'seq'] },
  else: { required: ['errors'] },
};

const OUTCOMES = {
  accepted: described('Events that the brokers now have.', COUNT),
  duplicates: described('Those of them that they had before.', COUNT),
};
const LISTS = {
  rejected: described('The invalid events.', arrayOf(schemaNamed('PublishResult'))),
  results: described('One result for each event, in the order sent.', arrayOf(schemaNamed('PublishResult'))),
};

const LINE_REPORT: Schema = {
  ...objectOf(
    {
      ...OUTCOMES,
      invalid: COUNT,
      unavailable: COUNT,
      lines: described('Lines that are not blank.', COUNT),
      outcomes: schemaNamed('OutcomeCounts'),
      results_left_out: described('Results beyond about 1 MB.', COUNT),
      ...LISTS,
    },
    ['outcomes', 'results_left_out'],
  ),
  description:
    'The outcomes of lines. The figures are always complete, and results are listed up to a bound.',
};

const EITHER: Schema = { anyOf: [schemaNamed('PublishResponse'), schemaNamed('LineReport')] };

/** The topic and the source of records that do not say them. */
export const RECORD_NAMES: readonly Parameter[] = [
  {
    name: 'Sekali-Topic',
    in: 'header',
    description: 'The topic of records that are not events. It wins over that of the key.',
    schema: schemaNamed('Topic'),
  },
  {
    name: 'Sekali-Source',
    in: 'header',
    description: 'The source of records that do not name one; else that of the key.',
    schema: schemaNamed('Source'),
  },
];

/** The headers of records. */
export const RECORD_PARAMETERS: readonly Parameter[] = [
  ...RECORD_NAMES,
  {
    name: 'Sekali-Id-Field',
    in: 'header',
    description: 'The member of a record with its id: a name, or a JSON Pointer.',
    schema: FIELD,
  },
  {
    name: 'Sekali-Time-Field',
    in: 'header',
    description: 'The member of a record with its time: a name, or a JSON Pointer.',
    schema: FIELD,
  },
];

/** The door of `POST /publish`. */
export const PUBLISH_DOOR: DoorDescription = {
  name: 'Publishing',
  description: 'The way in for events as JSON.',
  schemas: {
    PublishBody: {
      description: 'One event, or several in one of two forms.',
      anyOf: [
        schemaNamed('Event'),
        arrayOf(schemaNamed('Event'), { minItems: 1, maxItems: PUBLISH_EVENTS_MAX }),
        objectOf({ events: arrayOf(schemaNamed('Event'), { minItems: 1, maxItems: PUBLISH_EVENTS_MAX }) }),
      ],
    },
    PublishResult: PUBLISH_RESULT,
    PublishResponse: {
      ...objectOf({ ...OUTCOMES, outcomes: schemaNamed('OutcomeCounts'), ...LISTS }, ['outcomes']),
      description: 'The outcomes of a request.',
    },
    OutcomeCounts: {
      ...objectOf(Object.fromEntries(OUTCOME_NAMES.map((name) => [name, COUNT]))),
      description: 'Accepted events with each outcome, where the client waited for them.',
    },
    LineReport: LINE_REPORT,
  },
  operations: [
    {
      id: 'publish',
      method: 'post',
      path: '/publish',
      summary: 'Publish events',
      description:
        'All events are validated before any is published. `202` comes once a quorum of the brokers has them. ' +
        'Sending an event again with the same id is always safe.\n\n' +
        'Lines are published while they arrive, and an invalid line harms no other.',
      scope: 'publish',
      parameters: [PREFER, CONTENT_ENCODING, ...RECORD_PARAMETERS],
      body: {
        description: 'The events.',
        isRequired: true,
        contents: {
          'application/json': {
            schema: schemaNamed('PublishBody'),
            examples: {
              one: { summary: 'One event', value: EXAMPLE_EVENT },
              several: {
                summary: 'Several events',
                value: { events: [EXAMPLE_EVENT, { ...EXAMPLE_EVENT, event_id: 'o-2' }] },
              },
            },
          },
          'application/x-ndjson': LINES,
          'application/jsonl': LINES,
          'application/stream+json': LINES,
        },
      },
      answers: {
        200: {
          ...SETTLED_ANSWER,
          contents: {
            'application/json': { ...SETTLED_ANSWER.contents['application/json'], schema: EITHER },
          },
        },
        202: {
          description: 'The brokers have all of the events, or with lenient handling the valid ones.',
          optionalHeaders: ['PreferenceApplied'],
          contents: {
            'application/json': {
              ...PUBLISH_ANSWER['application/json'],
              schema: EITHER,
            },
          },
        },
      },
      problems: [
        ...(['malformed-json', 'invalid-parameter', 'missing-topic'] as const),
        ...(['invalid-body', 'invalid-events', 'not-published'] as const),
      ],
    },
  ],
};
