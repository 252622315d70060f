/** The description of `/loki/api/v1/push`. */
import {
  described,
  schemaNamed,
  type Content,
  type DoorDescription,
  type Schema,
} from '../description/operation.js';
import { CONTENT_ENCODING, RECORD_NAMES } from '../publish/publish-description.js';

const PUSH = {
  streams: [
    {
      stream: { app: 'shop', host: 'web-1' },
      values: [['1795341600000000001', 'started', { order: '17' }]],
    },
  ],
};
const PAIRS: Schema = {
  type: 'object',
  propertyNames: schemaNamed('Text'),
  additionalProperties: schemaNamed('Text'),
  maxProperties: 128,
};
/** One entry of the stream `{app="shop"}`, in Snappy. */
const PACKED = 'JZAKIwoMe2FwcD0ic2hvcCJ9EhMKCAig+orYBhABEgdzdGFydGVk';
const PROTOBUF: Content = {
  schema: {
    type: 'string',
    description: '`PushRequest` of Loki, in Snappy.',
    'x-opaque': true,
  },
  examples: { entry: { summary: 'One entry, in base64 here', value: PACKED, 'x-base64': true } },
};

/** The door of clients of Grafana Loki. */
export const LOKI_DOOR: DoorDescription = {
  name: 'Loki',
  description: 'What clients of Grafana Loki push.',
  schemas: {
    LokiPush: {
      type: 'object',
      description: 'A push of Loki. Other members are passed over.',
      properties: {
        streams: {
          type: 'array',
          items: {
            type: 'object',
            required: ['stream'],
            properties: {
              stream: described('The labels.', PAIRS),
              values: { type: 'array', items: schemaNamed('LokiEntry') },
            },
          },
        },
      },
      examples: [PUSH],
    },
    LokiEntry: {
      type: 'array',
      description: 'An entry. Further elements are passed over.',
      prefixItems: [
        {
          type: 'string',
          description: 'Nanoseconds since 1970.',
          pattern: '^[0-9]{1,19}$',
        },
        described('The line.', schemaNamed('Text')),
        described('The structured metadata.', PAIRS),
      ],
      minItems: 2,
    },
  },
  operations: [
    {
      id: 'pushToLoki',
      method: 'post',
      path: '/loki/api/v1/push',
      summary: 'Push entries',
      description:
        'Clients send a push again after `429` and `503`, and drop it after any other refusal. ' +
        'So `400` is said of entries that can never be taken, and the others of the same push are taken.',
      scope: 'publish',
      parameters: [
        CONTENT_ENCODING,
        ...RECORD_NAMES,
        {
          name: 'X-Scope-OrgID',
          in: 'header',
          description: 'The tenant. It stands in the payload of each event.',
          schema: { type: 'string', pattern: '^[!-~]{1,150}$' },
        },
      ],
      body: {
        description: 'The entries.',
        isRequired: true,
        contents: {
          'application/json': {
            schema: schemaNamed('LokiPush'),
            examples: { entry: { summary: 'One entry', value: PUSH } },
          },
          'application/x-protobuf': PROTOBUF,
          'application/protobuf': PROTOBUF,
        },
      },
      answers: { 204: { description: 'The brokers have every entry.' } },
      problems: [
        'invalid-parameter',
        { kind: 'invalid-records', status: 400 },
        'malformed-json',
        'invalid-events',
        'not-published',
      ],
    },
  ],
};
