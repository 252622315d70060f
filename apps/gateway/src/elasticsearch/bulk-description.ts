/** The description of `/_bulk`, and of its routes below an index. */
import {
  arrayOf,
  COUNT,
  described,
  objectOf,
  schemaNamed,
  type Content,
  type OperationDescription,
  type Parameter,
  type Schema,
} from '../description/operation.js';
import { CONTENT_ENCODING, RECORD_PARAMETERS } from '../publish/publish-description.js';

const LINES = [
  { create: { _index: 'logs-shop-default', _id: '1' } },
  { '@timestamp': '2026-11-22T10:00:00.123456Z', host: { name: 'web-1' }, status: 200 },
]
  .map((line) => `${JSON.stringify(line)}\n`)
  .join('');
const BODY: Content = {
  schema: {
    type: 'string',
    description: 'Pairs of lines: an action, and its document. Any other content type is taken as well.',
    'x-opaque': true,
  },
  examples: { document: { summary: 'One document', value: LINES } },
};
const ANSWER = {
  took: 3,
  errors: false,
  items: [
    {
      create: {
        ...{ _index: 'logs-shop-default', _id: '1', topic: 'logs.shop.default' },
        ...{ _version: 1, result: 'created', _seq_no: 4711, _primary_term: 1, status: 201 },
      },
    },
  ],
};

/** The name of an index in an address. */
export const INDEX: Parameter = {
  name: 'index',
  in: 'path',
  required: true,
  description: 'The index, from which the topic is derived where an action names none.',
  schema: { type: 'string', pattern: '^[a-z0-9][a-z0-9.-]{0,60}$' },
  example: 'logs-shop',
};

const CAUSE = { type: { type: 'string' }, reason: { type: 'string' } } as const;
const ITEM: Schema = objectOf(
  {
    _index: { type: 'string' },
    _id: { type: 'string' },
    topic: described('The topic, where it is not the index.', schemaNamed('Topic')),
    id_origin: { enum: ['hashed_record', 'hashed_id'] },
    _version: { const: 1 },
    result: { const: 'created' },
    _seq_no: schemaNamed('Sequence'),
    _primary_term: { const: 1 },
    status: described('`201` and `409` are final. `429` is sent again.', { enum: [201, 400, 403, 409, 429] }),
    error: objectOf(CAUSE),
  },
  ['_id', 'topic', 'id_origin', '_version', 'result', '_seq_no', '_primary_term', 'error'],
);

/** The schemas of bulk requests. */
export const BULK_SCHEMAS: Readonly<Record<string, Schema>> = {
  BulkAnswer: {
    ...objectOf({
      took: described('Milliseconds.', COUNT),
      errors: described('Whether an item has another status than `201`.', { type: 'boolean' }),
      items: described('One for each action, in the order sent.', arrayOf(schemaNamed('BulkItem'))),
    }),
    description: 'The outcomes of a bulk request.',
  },
  BulkItem: {
    type: 'object',
    description: 'The outcome of one action, under its name.',
    properties: Object.fromEntries(
      ['create', 'index', 'update', 'delete'].map((name) => [name, schemaNamed('BulkResult')]),
    ),
    minProperties: 1,
    maxProperties: 1,
    additionalProperties: false,
  },
  BulkResult: { ...ITEM, description: 'What became of one document.' },
  ElasticError: {
    ...objectOf({ root_cause: arrayOf(objectOf(CAUSE)), ...CAUSE }),
    description: 'A refusal in the words of Elasticsearch.',
  },
};

function bulk(method: 'post' | 'put', isBelowIndex: boolean): OperationDescription {
  const name = `${method === 'post' ? 'bulk' : 'putBulk'}${isBelowIndex ? 'OfIndex' : ''}`;
  return {
    id: name,
    method,
    path: isBelowIndex ? '/{index}/_bulk' : '/_bulk',
    summary: 'Publish documents',
    description:
      'Documents are published while they arrive. `create` and `index` are the same here, and nothing is replaced.\n\n' +
      'A line that should be an action and is none refuses the request. What was before it may be published.',
    scope: 'publish',
    parameters: [...(isBelowIndex ? [INDEX] : []), CONTENT_ENCODING, ...RECORD_PARAMETERS],
    body: {
      description: 'The documents.',
      isRequired: true,
      contents: { 'application/x-ndjson': BODY, 'application/json': BODY },
    },
    answers: {
      200: {
        description: 'Each document has its outcome, which may be a refusal.',
        headers: ['ElasticProduct'],
        contents: {
          'application/json': {
            schema: schemaNamed('BulkAnswer'),
            examples: { created: { summary: 'The brokers have the event', value: ANSWER } },
          },
        },
      },
    },
    problems: ['malformed-json', 'invalid-parameter', { kind: 'invalid-body', status: 400 }],
  };
}

/** The routes of bulk requests. */
export const BULK_OPERATIONS: readonly OperationDescription[] = [
  bulk('post', false),
  bulk('put', false),
  bulk('post', true),
  bulk('put', true),
];
