/** The description of publishing straight to NATS, as AsyncAPI 3. */
import { MESSAGE_ID_HEADER, type PoisonReason } from '#contracts';
import {
  CLOUD_EVENT,
  CLOUD_EVENT_HEADER,
  EXAMPLE_CLOUD_EVENT,
  REQUIRED_ATTRIBUTES,
} from '../cloudevents/cloudevents-description.js';
import { CLOUD_EVENT_TYPE } from '../cloudevents/cloud-event-text.js';
import { described, objectOf, schemaNamed, type Schema } from './operation.js';
import { DESCRIPTION_VERSION } from './openapi.js';
import { EVENT_SCHEMAS, EXAMPLE_EVENT } from './shared-schemas.js';

/** The document. */
export interface AsyncApiDocument {
  readonly asyncapi: string;
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: Readonly<Record<string, Schema>>;
  readonly channels: Readonly<Record<string, Channel>>;
  readonly operations: Readonly<Record<string, Operation>>;
  readonly components: {
    readonly messages: Readonly<Record<string, Message>>;
    readonly schemas: Readonly<Record<string, Schema>>;
  };
}

interface Channel {
  readonly address: string | null;
  readonly description: string;
  readonly messages: Readonly<Record<string, Schema>>;
  readonly parameters?: Readonly<Record<string, Schema>>;
}

interface Operation {
  readonly action: 'receive';
  readonly summary: string;
  readonly description: string;
  readonly channel: Schema;
  readonly messages: readonly Schema[];
  readonly reply: Schema;
  readonly 'x-dead-letters': readonly { readonly reason: PoisonReason; readonly when: string }[];
}

/** A message of the document. */
export interface Message {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly contentType: string;
  readonly headers?: Schema;
  readonly payload: Schema;
  readonly examples: readonly {
    readonly name: string;
    readonly headers?: object;
    readonly payload: object;
  }[];
}

/** Why a message becomes a dead letter. A reason without a sentence does not compile. */
const POISON: Readonly<Record<PoisonReason, string>> = {
  too_large: 'The body is larger than an event may be.',
  not_utf8: 'The body is not UTF-8.',
  not_json: 'The body is not JSON.',
  invalid_event: 'The body, with what subject and header say, breaks a rule of an event.',
  subject_mismatch: 'The topic in the body is not that of the subject.',
};

const INTRODUCTION = [
  'Publish the JSON of an event from any NATS client in any language. A PubAck says that a quorum of the brokers has it.',
  'Send the event again with the same message id until the PubAck comes. It is stored once.',
  'What is not a valid event becomes a dead letter, with the message, the reason and a sentence about it.',
].join('\n\n');

const { Event } = EVENT_SCHEMAS;
const {
  topic,
  event_id: eventId,
  ...required
} = (Event?.['properties'] ?? {}) as Readonly<Record<string, Schema>>;

const EVENT_MESSAGE: Message = {
  name: 'Event',
  title: 'An event',
  summary: 'The subject may say the topic, and the header the id.',
  contentType: 'application/json',
  headers: {
    type: 'object',
    properties: {
      [MESSAGE_ID_HEADER]: {
        type: 'string',
        description:
          'The message id: `<topic>:<event_id>`. With `:<digest>` behind it, a repeat with another payload is ' +
          'counted as a conflict; the body then needs `event_id`. An id that ends with white space is written as ' +
          '`<topic>;<base64url of the id>`. Without this header, the brokers cannot drop repeats early.',
      },
    },
  },
  payload: schemaNamed('NatsEvent'),
  examples: [
    {
      name: 'short',
      headers: { [MESSAGE_ID_HEADER]: `${EXAMPLE_EVENT.topic}:${EXAMPLE_EVENT.event_id}` },
      payload: {
        timestamp: EXAMPLE_EVENT.timestamp,
        source: EXAMPLE_EVENT.source,
        payload: EXAMPLE_EVENT.payload,
      },
    },
    {
      name: 'whole',
      headers: { [MESSAGE_ID_HEADER]: `${EXAMPLE_EVENT.topic}:${EXAMPLE_EVENT.event_id}` },
      payload: EXAMPLE_EVENT,
    },
  ],
};

const SUBJECT = 'The subject is that of its type; characters of it that no topic has are `_` there.';
const { data: exampleData, ...exampleAttributes } = EXAMPLE_CLOUD_EVENT;

const CLOUD_EVENT_MESSAGE: Message = {
  name: 'CloudEvent',
  title: 'A CloudEvent in the structured mode',
  summary: SUBJECT,
  contentType: CLOUD_EVENT_TYPE,
  headers: {
    type: 'object',
    properties: {
      'content-type': {
        enum: [CLOUD_EVENT_TYPE],
        description: 'It may be left out. A message holds one CloudEvent, so a batch becomes a dead letter.',
      },
    },
  },
  payload: schemaNamed('CloudEvent'),
  examples: [
    { name: 'structured', headers: { 'content-type': CLOUD_EVENT_TYPE }, payload: EXAMPLE_CLOUD_EVENT },
  ],
};

const BINARY_MESSAGE: Message = {
  name: 'BinaryCloudEvent',
  title: 'A CloudEvent in the binary mode',
  summary: `The body is the data, of any type. ${SUBJECT}`,
  contentType: 'application/json',
  headers: {
    type: 'object',
    required: REQUIRED_ATTRIBUTES,
    properties: {
      'ce-specversion': { const: '1.0', description: 'Always 1.0.' },
      'ce-id': described('The id. With the source it is the id of the event.', CLOUD_EVENT_HEADER),
      'ce-source': described('The source.', CLOUD_EVENT_HEADER),
      'ce-type': described('The type, which is the topic.', CLOUD_EVENT_HEADER),
      'ce-time': described('The time; else that at which the brokers took it.', schemaNamed('Timestamp')),
      'content-type': { type: 'string', description: 'The type of the data; without it, it is JSON.' },
    },
  },
  payload: schemaNamed('CloudEventData'),
  examples: [
    {
      name: 'binary',
      headers: Object.fromEntries(
        Object.entries(exampleAttributes).map(([name, value]) => [`ce-${name}`, value]),
      ),
      payload: exampleData,
    },
  ],
};

const ACKNOWLEDGEMENT: Message = {
  name: 'PubAck',
  title: 'The answer of the brokers',
  summary: 'A quorum of the brokers has the message.',
  contentType: 'application/json',
  payload: schemaNamed('PubAck'),
  examples: [{ name: 'acknowledged', payload: { stream: 'EVENTS', seq: 4711 } }],
};

const PUB_ACK: Schema = {
  type: 'object',
  description:
    'With `error`, the message was not taken: send it again. `duplicate` says only that the brokers have seen the ' +
    'message id within their window.',
  required: ['stream'],
  properties: {
    stream: { type: 'string' },
    seq: { type: 'integer', minimum: 0 },
    domain: { type: 'string' },
    duplicate: { type: 'boolean' },
    error: objectOf({
      code: { type: 'integer' },
      err_code: { type: 'integer' },
      description: { type: 'string' },
    }),
  },
  additionalProperties: false,
};

/** The messages that are events, in the order of the page. */
const EVENT_MESSAGES: readonly Message[] = [EVENT_MESSAGE, CLOUD_EVENT_MESSAGE, BINARY_MESSAGE];

const PUBLISH: Operation = {
  action: 'receive',
  summary: 'Publish an event',
  description:
    'CloudEvents become the same events as over HTTP. Use the publish of a JetStream client, which waits for the PubAck.',
  channel: { $ref: '#/channels/events' },
  messages: EVENT_MESSAGES.map(({ name }) => ({ $ref: `#/channels/events/messages/${name}` })),
  reply: {
    channel: { $ref: '#/channels/acknowledgements' },
    messages: [{ $ref: '#/channels/acknowledgements/messages/PubAck' }],
  },
  'x-dead-letters': (Object.keys(POISON) as PoisonReason[]).map((reason) => ({
    reason,
    when: POISON[reason],
  })),
};

const SCHEMAS: Readonly<Record<string, Schema>> = {
  ...EVENT_SCHEMAS,
  NatsEvent: {
    ...objectOf({ topic: topic ?? {}, event_id: eventId ?? {}, ...required }, ['topic', 'event_id']),
    description: 'An event. Where `topic` or `event_id` is left out, subject and header say it.',
  },
  CloudEvent: CLOUD_EVENT,
  CloudEventData: { type: 'object', description: 'The data. It is JSON here, and may be anything.' },
  PubAck: PUB_ACK,
};

/** The document. @param prefix the first tokens of every subject, `events` */
export function asyncApiDocument(prefix: string): AsyncApiDocument {
  return {
    asyncapi: '3.0.0',
    info: { title: 'Sekali over NATS', version: DESCRIPTION_VERSION, description: INTRODUCTION },
    servers: {
      brokers: {
        host: '127.0.0.1:4222',
        protocol: 'nats',
        description: 'The brokers of `npm start`. Others have the addresses of their operator.',
      },
    },
    channels: channels(prefix),
    operations: { publishEvent: PUBLISH },
    components: {
      messages: Object.fromEntries(
        [...EVENT_MESSAGES, ACKNOWLEDGEMENT].map((message) => [message.name, message]),
      ),
      schemas: SCHEMAS,
    },
  };
}

function channels(prefix: string): Record<string, Channel> {
  const { description } = EVENT_SCHEMAS['Topic'] ?? {};
  return {
    events: {
      address: `${prefix}.{topic}`,
      description: 'The subject of a topic. The dots of the topic are those of the subject.',
      messages: Object.fromEntries(
        EVENT_MESSAGES.map(({ name }) => [name, { $ref: `#/components/messages/${name}` }]),
      ),
      parameters: { topic: { description, examples: [EXAMPLE_EVENT.topic] } },
    },
    acknowledgements: {
      address: null,
      description: 'The reply subject of the publisher.',
      messages: { PubAck: { $ref: '#/components/messages/PubAck' } },
    },
  };
}
