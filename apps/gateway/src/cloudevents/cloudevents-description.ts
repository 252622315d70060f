/** The description of `/cloudevents`. */
import { schemaNamed, type DoorDescription, type Parameter, type Schema } from '../description/operation.js';
import { CONTENT_ENCODING, PREFER, PUBLISH_ANSWER, SETTLED_ANSWER } from '../publish/publish-description.js';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE } from './cloud-event-text.js';

const FILLED: Schema = {
  type: 'string',
  pattern: String.raw`^[^\u0000\ud800-\udfff]+$`,
  minLength: 1,
};

/** A CloudEvent that is shown. */
export const EXAMPLE_CLOUD_EVENT = {
  specversion: '1.0',
  id: '2',
  source: '/shop',
  type: 'com.example.order',
  time: '2026-11-22T10:00:00Z',
  data: { total: 12.5 },
};

/** An attribute in a header. Visible characters stand in it. Others are percent-encoded, so the sign of that has no other use. */
export const CLOUD_EVENT_HEADER: Schema = { type: 'string', pattern: '^[!#$&-~]([ !#$&-~]{0,98}[!#$&-~])?$' };
/** Headers without which a message is not a CloudEvent in the binary mode. */
export const REQUIRED_ATTRIBUTES = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'];

function attribute(name: string, description: string, schema: Schema, example?: string): Parameter {
  return {
    name,
    in: 'header',
    description: `Binary mode: ${description}.`,
    schema,
    ...(example !== undefined && { example }),
  };
}

/** A CloudEvent in its JSON format. */
export const CLOUD_EVENT: Schema = {
  type: 'object',
  description: 'A CloudEvent 1.0 in its JSON format. Other members are extensions.',
  required: ['specversion', 'id', 'source', 'type'],
  properties: {
    specversion: { const: '1.0' },
    id: FILLED,
    source: schemaNamed('Source'),
    type: FILLED,
    time: schemaNamed('Timestamp'),
    subject: FILLED,
    datacontenttype: FILLED,
    dataschema: FILLED,
    data: schemaNamed('Value'),
    data_base64: { type: 'string', contentEncoding: 'base64', pattern: '^[A-Za-z0-9+/]*={0,2}$' },
  },
  propertyNames: { pattern: '^([a-z0-9]+|data_base64)$' },
  additionalProperties: schemaNamed('Value'),
  not: { required: ['data', 'data_base64'] },
  examples: [EXAMPLE_CLOUD_EVENT],
};

/** The door of CloudEvents. */
export const CLOUD_EVENTS_DOOR: DoorDescription = {
  name: 'CloudEvents',
  description: 'CloudEvents 1.0 in all three modes, and the handshake of their webhooks.',
  schemas: { CloudEvent: CLOUD_EVENT },
  operations: [
    {
      id: 'publishCloudEvents',
      method: 'post',
      path: '/cloudevents',
      summary: 'Publish CloudEvents',
      description:
        'The topic is the type, and the id is source and id. The payload is the whole CloudEvent.\n\n' +
        'In the binary mode the body has any type, and the attributes are headers that begin with `ce-`.',
      scope: 'publish',
      queryToken: true,
      parameters: [
        PREFER,
        CONTENT_ENCODING,
        attribute('ce-specversion', 'always 1.0', { const: '1.0' }),
        attribute('ce-id', 'the id', CLOUD_EVENT_HEADER),
        attribute('ce-source', 'the source', CLOUD_EVENT_HEADER),
        attribute('ce-type', 'the type', CLOUD_EVENT_HEADER),
        attribute('ce-time', 'the time; else that of arrival', schemaNamed('Timestamp')),
      ],
      body: {
        description: 'One CloudEvent, a batch, or the data of the binary mode.',
        isRequired: false,
        contents: {
          [CLOUD_EVENT_TYPE]: {
            schema: schemaNamed('CloudEvent'),
            examples: { structured: { summary: 'One CloudEvent', value: EXAMPLE_CLOUD_EVENT } },
          },
          [CLOUD_EVENT_BATCH_TYPE]: {
            schema: { type: 'array', items: schemaNamed('CloudEvent'), maxItems: 10_000 },
            examples: { batch: { summary: 'A batch', value: [EXAMPLE_CLOUD_EVENT] } },
          },
          '*/*': {
            schema: {
              type: 'string',
              description: 'The data of the binary mode, which needs the headers of the attributes.',
            },
            'x-required-parameters': REQUIRED_ATTRIBUTES,
          },
        },
      },
      answers: {
        200: SETTLED_ANSWER,
        202: {
          description: 'The brokers have all of the events, or with lenient handling the valid ones.',
          optionalHeaders: ['PreferenceApplied'],
          contents: PUBLISH_ANSWER,
        },
      },
      problems: [
        ...(['malformed-json', 'missing-topic', 'invalid-body', 'invalid-events', 'not-published'] as const),
      ],
    },
    {
      id: 'allowWebHook',
      method: 'options',
      path: '/cloudevents',
      summary: 'Answer the handshake of a webhook',
      description: 'A sender asks whether it may send. `WebHook-Request-Callback` is not called.',
      scope: 'publish',
      queryToken: true,
      parameters: [
        {
          name: 'WebHook-Request-Origin',
          in: 'header',
          required: true,
          description: 'The name of the sender.',
          schema: { type: 'string', pattern: '^[!-~]{1,255}$' },
          example: 'eventemitter.example.com',
        },
        {
          name: 'WebHook-Request-Rate',
          in: 'header',
          description: 'Requests per minute. The answer allows them, because each key is bounded anyway.',
          schema: { type: 'string', pattern: '^[1-9][0-9]{0,8}$' },
        },
      ],
      answers: {
        200: {
          description: 'The sender may send.',
          headers: ['WebHookAllowedOrigin', 'WebHookAllowedRate', 'Allow'],
        },
      },
    },
  ],
};
