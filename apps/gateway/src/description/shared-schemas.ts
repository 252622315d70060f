/** The schemas that several doors use: the event, its members, and what is wrong with one. */
import {
  EVENT_ID_LENGTH_MAX,
  PAGE_SIZE_DEFAULT,
  PAYLOAD_DEPTH_MAX,
  SOURCE_LENGTH_MAX,
  type SekaliEvent,
} from '#contracts';
import {
  arrayOf,
  COUNT,
  described,
  objectOf,
  schemaNamed,
  type Parameter,
  type Schema,
} from './operation.js';

/** What a name may hold. Half a surrogate pair is not a character. */
const NAME_CHARACTERS = String.raw`[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]`;
const TOPIC_TOKEN = '[A-Za-z0-9_-]{1,64}';

/** An example of every document. */
export const EXAMPLE_EVENT = {
  topic: 'orders.created',
  event_id: 'o-1',
  timestamp: '2026-11-22T10:00:00Z',
  source: 'checkout',
  payload: { total: 12.5 },
} satisfies Partial<SekaliEvent> | object;

/** The members of an event, and the event. */
export const EVENT_SCHEMAS: Readonly<Record<string, Schema>> = {
  Topic: {
    type: 'string',
    description: '1 to 16 tokens of 1 to 64 characters `A-Z a-z 0-9 _ -`, joined by dots.',
    pattern: String.raw`^${TOPIC_TOKEN}(\.${TOPIC_TOKEN}){0,15}$`,
    examples: [EXAMPLE_EVENT.topic],
  },
  EventId: {
    type: 'string',
    description: 'With the topic it is the identity of the event. It has no control characters.',
    pattern: `^${NAME_CHARACTERS}+$`,
    minLength: 1,
    maxLength: EVENT_ID_LENGTH_MAX,
    examples: [EXAMPLE_EVENT.event_id],
  },
  Timestamp: {
    type: 'string',
    description:
      'An ISO 8601 instant with a zone or Z. It is kept in UTC with microseconds, and further digits are cut.',
    pattern: String.raw`^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(:\d{2}([.,]\d{1,12})?)?([Zz]|[+-]\d{2}(:?\d{2})?)$`,
    examples: [EXAMPLE_EVENT.timestamp],
  },
  Source: {
    type: 'string',
    description: 'Where the event comes from. It has no control characters.',
    pattern: `^${NAME_CHARACTERS}+$`,
    minLength: 1,
    maxLength: SOURCE_LENGTH_MAX,
    examples: [EXAMPLE_EVENT.source],
  },
  Text: {
    type: 'string',
    description: 'Any text that Postgres can store: without `\\u0000` and without half a surrogate pair.',
    pattern: String.raw`^[^\u0000\ud800-\udfff]*$`,
  },
  Value: {
    description: 'Any JSON value. Numbers keep their digits.',
    anyOf: [
      { type: ['null', 'boolean', 'number'] },
      schemaNamed('Text'),
      { type: 'array', items: schemaNamed('Value') },
      schemaNamed('Payload'),
    ],
  },
  Payload: {
    type: 'object',
    description: `A JSON object of at most ${PAYLOAD_DEPTH_MAX} levels. Numbers keep their digits.`,
    propertyNames: schemaNamed('Text'),
    additionalProperties: schemaNamed('Value'),
    examples: [EXAMPLE_EVENT.payload],
  },
  Event: {
    ...objectOf({
      topic: schemaNamed('Topic'),
      event_id: schemaNamed('EventId'),
      timestamp: schemaNamed('Timestamp'),
      source: schemaNamed('Source'),
      payload: schemaNamed('Payload'),
    }),
    description: 'One event. Any other member is refused: put it into `payload`.',
    examples: [EXAMPLE_EVENT],
  },
};

/** What answers have in common. */
export const ANSWER_SCHEMAS: Readonly<Record<string, Schema>> = {
  Instant: {
    type: 'string',
    format: 'date-time',
    description: 'An instant in UTC.',
    examples: ['2026-11-22T10:00:00.000000Z'],
  },
  Sequence: {
    type: 'integer',
    minimum: 1,
    description: 'A sequence of the stream.',
    examples: [4711],
  },
  FieldError: objectOf({
    field: described('The member that breaks a rule.', { type: 'string' }),
    message: described('The rule, and what to do.', { type: 'string' }),
  }),
  ComponentState: objectOf(
    {
      status: { enum: ['ok', 'degraded', 'failed'] },
      detail: described('What is wrong, and what to do.', { type: 'string' }),
    },
    ['detail'],
  ),
  Components: {
    ...objectOf(
      Object.fromEntries(
        ['broker', 'brokers', 'stream', 'consumer', 'database', 'schema'].map((name) => [
          name,
          schemaNamed('ComponentState'),
        ]),
      ),
    ),
    description: 'The parts that a gateway needs.',
  },
  KnownFigures: {
    ...objectOf({
      unique_processed: COUNT,
      duplicate_dropped: COUNT,
      duplicates: objectOf({ broker: COUNT, store: COUNT }),
      conflicts: COUNT,
      dead_letters: COUNT,
      redelivered: COUNT,
    }),
    description: 'The figures that need no answer from the brokers.',
  },
  Outside: arrayOf(objectOf({ index: COUNT, topic: { type: 'string' } }), { maxItems: 100 }),
};

/** Parameters of several queries. */
export const LIMIT: Parameter = {
  name: 'limit',
  in: 'query',
  description: `How many, at most. The default is ${PAGE_SIZE_DEFAULT}; more than 10,000 is cut to that.`,
  schema: { type: 'integer', minimum: 1 },
};

/** A topic, or a pattern of topics. */
export const TOPIC_FILTER: Parameter = {
  name: 'topic',
  in: 'query',
  description: 'A topic, or a pattern: `*` is any one token, and `>` at the end is one or more.',
  schema: {
    type: 'string',
    pattern: String.raw`^(?:${TOPIC_TOKEN}(\.${TOPIC_TOKEN}){0,14}(\.>)?|\*\.${TOPIC_TOKEN})$`,
  },
  example: EXAMPLE_EVENT.topic,
};

/** A place in the order of what is listed. */
export function cursorFrom(where: string): Parameter {
  return {
    name: 'cursor',
    in: 'query',
    description: `Where to go on: the cursor of ${where}, unchanged.`,
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', maxLength: 8_192, 'x-opaque': true },
  };
}

/** One end of a period. */
export function instantIn(name: 'since' | 'until', of: string): Parameter {
  const bound = name === 'since' ? 'From this instant on' : 'Before this instant';
  return { name, in: 'query', description: `${bound}, by ${of}.`, schema: schemaNamed('Timestamp') };
}
