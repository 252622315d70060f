/** The description of `/dead-letters`. */
import {
  arrayOf,
  schemaNamed,
  type DoorDescription,
  type OperationBody,
  type OperationDescription,
  type Parameter,
} from '../description/operation.js';
import { cursorFrom } from '../description/shared-schemas.js';
import { DEAD_LETTER_SCHEMAS, FILTER_MEMBERS } from './dead-letter-schemas.js';

const ID = 'store.4711.1764327000123';
const LETTER = {
  id: ID,
  consumer: 'store',
  topic: 'orders.created',
  event_id: 'o-1',
  seq: 4711,
  subject: 'events.orders.created',
  reason: 'not_json',
  detail: 'Unexpected end of JSON input',
  fingerprint: 'a1b2c3d4',
  deliveries: 1,
  body_bytes: 1,
  published_at: '2025-11-28T10:50:00.123Z',
  recorded_at: '2025-11-28T10:50:00.151000Z',
  state: 'open',
  actions: 0,
  last_action: null,
};
const GROUP = {
  consumer: 'store',
  reason: 'not_json',
  fingerprint: 'a1b2c3d4',
  message: 'Unexpected end of JSON input',
  count: 12,
  topic: 'orders.created',
  more_topics: false,
  first_at: '2025-11-28T10:50:00.151000Z',
  last_at: '2025-11-28T11:20:00.151000Z',
  newest: ID,
};
const PARAMETER: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'The id of the dead letter.',
  schema: schemaNamed('DeadLetterId'),
  example: ID,
};
const JSON_TYPE = 'application/json';

const FILTERS: readonly Parameter[] = [
  ...Object.entries(FILTER_MEMBERS).map(([name, schema]) => ({
    name,
    in: 'query' as const,
    description: String(schema['description']),
    schema,
    ...(name === 'topic' && { example: 'orders.created' }),
  })),
  {
    name: 'state',
    in: 'query',
    description: '`all`, or some of the states joined by commas. The default is `open,replaying`.',
    schema: {
      type: 'string',
      pattern:
        '^(all|(open|replaying|stored|duplicate|dropped)(,(open|replaying|stored|duplicate|dropped))*)$',
    },
  },
];

const READ: readonly OperationDescription[] = [
  {
    id: 'listDeadLetters',
    method: 'get',
    path: '/dead-letters',
    summary: 'List dead letters',
    description:
      'Newest first, inbox by inbox. A page may be short or empty while `Link` leads on.\n\n' +
      'With `group=reason` they are counted by consumer, reason and fingerprint.',
    scope: 'admin',
    parameters: [
      ...FILTERS,
      { name: 'group', in: 'query', description: 'Counts by reason.', schema: { enum: ['reason'] } },
      {
        name: 'limit',
        in: 'query',
        description: 'How many, at most. The default is 100; more than 1,000 is cut to that.',
        schema: { type: 'integer', minimum: 1 },
        example: 20,
      },
      cursorFrom('`Link`'),
    ],
    answers: {
      200: {
        description: 'A page.',
        optionalHeaders: ['Link'],
        contents: {
          [JSON_TYPE]: {
            schema: {
              anyOf: [arrayOf(schemaNamed('DeadLetter')), arrayOf(schemaNamed('DeadLetterGroup'))],
            },
            examples: {
              page: { summary: 'One dead letter', value: [LETTER] },
              groups: { summary: 'One group', value: [GROUP] },
            },
          },
        },
      },
    },
    problems: ['invalid-parameter', 'invalid-cursor', 'missing-topic', 'unavailable'],
  },
  {
    id: 'getDeadLetter',
    method: 'get',
    path: '/dead-letters/{id}',
    summary: 'Read one dead letter',
    description: 'With its headers, its body up to 1 MiB, and its history.',
    scope: 'admin',
    parameters: [PARAMETER],
    answers: {
      200: {
        description: 'The dead letter.',
        contents: {
          [JSON_TYPE]: {
            schema: schemaNamed('DeadLetterDetail'),
            examples: {
              letter: {
                summary: 'A message that is not JSON',
                value: {
                  ...LETTER,
                  headers: { 'Nats-Msg-Id': ['orders.created:o-1'] },
                  body: { text: '{', base64: 'ew==', is_cut: false },
                  history: [],
                },
              },
            },
          },
        },
      },
    },
    problems: ['missing-topic', 'unknown-dead-letter', 'unavailable'],
  },
];

function orderOf(
  schema: string,
  isRequired: boolean,
  examples: Readonly<Record<string, object>>,
): OperationBody {
  return {
    description: 'What to do.',
    isRequired,
    contents: {
      [JSON_TYPE]: {
        schema: schemaNamed(schema),
        examples: Object.fromEntries(
          Object.entries(examples).map(([summary, value]) => [
            summary.toLowerCase().replaceAll(' ', '-'),
            { summary, value },
          ]),
        ),
      },
    },
  };
}

function resultOf(value: object): OperationDescription['answers'][number] {
  return {
    description: 'What became of it.',
    contents: {
      [JSON_TYPE]: {
        schema: schemaNamed('DeadLetterResult'),
        examples: { result: { summary: 'The result', value: { id: ID, ...value } } },
      },
    },
  };
}

const RESULTS: OperationDescription['answers'] = {
  200: {
    description: 'One result for each, the counts, and where to go on.',
    contents: {
      [JSON_TYPE]: {
        schema: schemaNamed('DeadLetterResults'),
        examples: {
          dryRun: {
            summary: 'A dry run',
            value: {
              dry_run: true,
              counts: { possible: 1 },
              results: [{ id: ID, status: 'possible' }],
              cursor: null,
            },
          },
        },
      },
    },
  },
};

const ONE_ACTED_ON = ['malformed-json', 'missing-topic', 'unknown-dead-letter'] as const;
const MANY_ACTED_ON = [
  ...(['malformed-json', 'invalid-parameter', 'invalid-cursor'] as const),
  ...(['missing-topic', 'invalid-action', 'unavailable'] as const),
];

const ACT: readonly OperationDescription[] = [
  {
    id: 'replayDeadLetter',
    method: 'post',
    path: '/dead-letters/{id}/replay',
    summary: 'Replay one dead letter',
    description:
      'The message is published again, as a message of its own with the same event id. Repeating the request is safe. ' +
      'A message that is not an event needs a mended one.',
    scope: 'admin',
    parameters: [PARAMETER],
    body: orderOf('ReplayOrder', false, { 'With a reason': { reason: 'the handler was mended' } }),
    answers: {
      200: resultOf({ status: 'in_flight', number: 1, seq: 4720 }),
      202: resultOf({ status: 'published', number: 1, seq: 4720 }),
    },
    problems: [
      ...ONE_ACTED_ON,
      'acted-on',
      'not-replayable',
      'invalid-action',
      'not-published',
      'unavailable',
    ],
  },
  {
    id: 'dropDeadLetter',
    method: 'post',
    path: '/dead-letters/{id}/drop',
    summary: 'Drop one dead letter',
    description: 'It is given up for good. The row stays, so the audit stays exact.',
    scope: 'admin',
    parameters: [PARAMETER],
    body: orderOf('DropOrder', true, { 'With a reason': { reason: 'a test of last week' } }),
    answers: { 200: resultOf({ status: 'dropped', number: 1 }) },
    problems: [...ONE_ACTED_ON, 'acted-on', 'invalid-action', 'unavailable'],
  },
  {
    id: 'replayDeadLetters',
    method: 'post',
    path: '/dead-letters/replay',
    summary: 'Replay dead letters by a filter',
    description: 'One request acts on up to `limit`, at most 500.',
    scope: 'admin',
    body: orderOf('FilterOrder', true, {
      'A dry run': { filter: { topic: 'orders.created' }, dry_run: true },
      'Of one reason': { filter: { topic: 'orders.created', reason: 'handler' }, reason: 'mended' },
    }),
    answers: RESULTS,
    problems: MANY_ACTED_ON,
  },
  {
    id: 'dropDeadLetters',
    method: 'post',
    path: '/dead-letters/drop',
    summary: 'Drop dead letters by a filter',
    description: 'One request acts on up to `limit`, at most 500. It needs a reason, except in a dry run.',
    scope: 'admin',
    body: orderOf('DropFilterOrder', true, {
      'A dry run': { filter: { topic: 'orders.created' }, dry_run: true },
    }),
    answers: RESULTS,
    problems: MANY_ACTED_ON,
  },
];

/** The door of dead letters. */
export const DEAD_LETTERS_DOOR: DoorDescription = {
  name: 'Dead letters',
  description: 'Messages that were given up, and what became of them.',
  schemas: DEAD_LETTER_SCHEMAS,
  operations: [...READ, ...ACT],
};
