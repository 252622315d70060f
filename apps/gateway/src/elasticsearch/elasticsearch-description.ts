/** The description of what clients of Elasticsearch send: bulk requests, and the checks before them. */
import {
  objectOf,
  type Contents,
  type DoorDescription,
  type OperationDescription,
  type Parameter,
  type Schema,
} from '../description/operation.js';
import { BULK_OPERATIONS, BULK_SCHEMAS, INDEX } from './bulk-description.js';
import { CLUSTER_INFO, CLUSTER_NAME } from './cluster-info.js';

const JSON_TYPE = 'application/json';
const TEXT: Schema = { type: 'string' };
const DEFINITIONS: Readonly<Record<string, string>> = {
  Template: '_template',
  IndexTemplate: '_index_template',
  ComponentTemplate: '_component_template',
  LifecyclePolicy: '_ilm/policy',
  Pipeline: '_ingest/pipeline',
  DataStream: '_data_stream',
  Alias: '_alias',
};
const DEFINITION_NAME: Parameter = {
  name: 'name',
  in: 'path',
  required: true,
  description: 'Its name.',
  schema: { type: 'string', pattern: '^[a-z0-9][a-z0-9.-]{0,60}$' },
  example: 'logs-shop',
};
const DEFINITION_BODY: NonNullable<OperationDescription['body']> = {
  description: 'It is not read.',
  isRequired: false,
  contents: { '*/*': { schema: { type: 'string', description: 'Anything.' } } },
};

function jsonOf(schema: Schema, value: object): Contents {
  return { [JSON_TYPE]: { schema, examples: { answer: { summary: 'The answer', value } } } };
}

type Check = Pick<OperationDescription, 'id' | 'method' | 'path' | 'summary' | 'description'> &
  Partial<OperationDescription>;

function check(operation: Check, description: string, contents?: Contents): OperationDescription {
  return {
    ...operation,
    scope: 'publish',
    answers: {
      200: { description, headers: ['ElasticProduct'], ...(contents !== undefined && { contents }) },
    },
  };
}

const LICENSE = {
  ...{ status: 'active', uid: '00000000-0000-4000-8000-000000000000', type: 'basic' },
  ...{ issued_to: CLUSTER_NAME, issuer: CLUSTER_NAME, max_nodes: 1 },
};
const HEALTH = {
  ...{ cluster_name: CLUSTER_NAME, status: 'green', timed_out: false },
  ...{ number_of_nodes: 1, number_of_data_nodes: 1 },
};

/** The schema of an object with these members, each of the type that it has here. */
function like(example: Readonly<Record<string, unknown>>): Schema {
  return objectOf(
    Object.fromEntries(Object.entries(example).map(([name, value]) => [name, { type: typeof value }])),
  );
}

const CHECKS: readonly OperationDescription[] = [
  check(
    {
      ...{ id: 'getCluster', method: 'get', path: '/', summary: 'Read product and version' },
      description:
        'Clients of Elasticsearch ask for it before the first document. `Accept: text/html` asks for the page, which ' +
        'needs no key.',
      problems: ['unknown-page-file'],
    },
    'The product, as clients expect it; or the page.',
    { ...jsonOf(like(CLUSTER_INFO), CLUSTER_INFO), 'text/html': { schema: TEXT } },
  ),
  check(
    {
      ...{ id: 'getLicense', method: 'get', path: '/_license', summary: 'Read the licence' },
      description: 'Filebeat and Logstash ask for it.',
    },
    'A licence, as clients expect it.',
    jsonOf(objectOf({ license: like(LICENSE) }), { license: LICENSE }),
  ),
  check(
    {
      ...{ id: 'getClusterHealth', method: 'get', path: '/_cluster/health', summary: 'Ask for the health' },
      description: 'It is `red` while the gateway is not ready.',
    },
    'The health.',
    jsonOf(
      {
        ...like(HEALTH),
        properties: { ...(like(HEALTH)['properties'] as object), status: { enum: ['green', 'red'] } },
      },
      HEALTH,
    ),
  ),
  check(
    {
      ...{ id: 'getHealthLine', method: 'get', path: '/_cat/health', summary: 'Ask for the health as text' },
      description: 'rsyslog asks for it.',
    },
    'One line with the time, the name and the status.',
    {
      'text/plain': {
        schema: { type: 'string', pattern: String.raw`^\d+ \d\d:\d\d:\d\d sekali (green|red) 1 1 ` },
        examples: {
          green: {
            summary: 'The gateway is ready',
            value: '1795341600 10:00:00 sekali green 1 1 0 0 0 0 0 0 0 - 100.0%\n',
          },
        },
      },
    },
  ),
];

const SET_UP: readonly OperationDescription[] = Object.entries(DEFINITIONS).flatMap(([kind, address]) => {
  const [path, parameters] = [`/${address}/{name}`, [DEFINITION_NAME]];
  return [
    check(
      {
        ...{ id: `get${kind}`, method: 'get', path, parameters, summary: 'Ask whether it is there' },
        description: 'Each name is there, so that clients need not set it up.',
      },
      'It is there, with nothing in it.',
      jsonOf({ type: 'object', required: [], maxProperties: 0 }, {}),
    ),
    check(
      {
        ...{ id: `put${kind}`, method: 'put', path, parameters, body: DEFINITION_BODY },
        ...{ summary: 'Set it up', description: 'It is acknowledged and has no effect.' },
      },
      'It is acknowledged.',
      jsonOf(objectOf({ acknowledged: { const: true } }), { acknowledged: true }),
    ),
  ];
});

const INDICES: readonly OperationDescription[] = [
  check(
    {
      ...{ id: 'headIndex', method: 'head', path: '/{index}', parameters: [INDEX] },
      ...{ summary: 'Ask whether an index is there', description: 'Each index is there.' },
    },
    'It is there.',
  ),
  check(
    {
      ...{ id: 'putIndex', method: 'put', path: '/{index}', parameters: [INDEX], body: DEFINITION_BODY },
      ...{ summary: 'Create an index', description: 'It is acknowledged and has no effect.' },
    },
    'It is acknowledged.',
    jsonOf(objectOf({ acknowledged: { const: true }, shards_acknowledged: { const: true }, index: TEXT }), {
      acknowledged: true,
      shards_acknowledged: true,
      index: 'logs-shop',
    }),
  ),
];

/** The door of clients of Elasticsearch. */
export const ELASTICSEARCH_DOOR: DoorDescription = {
  name: 'Elasticsearch',
  description:
    'Bulk requests of clients of Elasticsearch, and what they ask before. Nothing can be searched here.',
  schemas: BULK_SCHEMAS,
  operations: [...BULK_OPERATIONS, ...CHECKS, ...SET_UP, ...INDICES].map((operation) => ({
    ...operation,
    // Refusals of the protections before the routes do not have it.
    refusalHeaders: ['ElasticProduct'],
  })),
};
