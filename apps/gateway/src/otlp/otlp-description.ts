/** The description of `/v1/logs`. */
import {
  arrayOf,
  COUNT,
  described,
  objectOf,
  schemaNamed,
  type Content,
  type Contents,
  type DoorDescription,
  type Schema,
} from '../description/operation.js';
import { CONTENT_ENCODING } from '../publish/publish-description.js';
import { JSON_TYPE, PROTOBUF_TYPE } from './otlp-answer.js';

const LOGS = {
  resourceLogs: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
      scopeLogs: [
        {
          logRecords: [
            { timeUnixNano: '1795341600000000001', severityText: 'INFO', body: { stringValue: 'started' } },
          ],
        },
      ],
    },
  ],
};
const PACKED_LOGS = 'CjIKGAoWCgxzZXJ2aWNlLm5hbWUSBgoEc2hvcBIWEhQJAUB7TqxV6hgqCQoHc3RhcnRlZA==';
const PACKED_STATUS = 'CAMSFVRoZSBib2R5IGlzIG5vdCBPVExQLg==';

const NANOSECONDS: Schema = {
  type: 'string',
  description: 'Nanoseconds since 1970. A number is taken, too.',
  pattern: '^(0|[1-9][0-9]{0,18})$',
};
const ATTRIBUTES: Schema = arrayOf(schemaNamed('OtlpAttribute'));
const VALUES: Schema = { type: 'object', properties: { values: arrayOf(schemaNamed('OtlpValue')) } };

/** What a request in JSON consists of. */
const OTLP_PARTS: Readonly<Record<string, Schema>> = {
  OtlpResourceLogs: {
    type: 'object',
    description: 'Records of one resource.',
    properties: {
      resource: {
        type: 'object',
        properties: { attributes: ATTRIBUTES, droppedAttributesCount: COUNT },
      },
      scopeLogs: arrayOf(schemaNamed('OtlpScopeLogs')),
      schemaUrl: schemaNamed('Text'),
    },
  },
  OtlpScopeLogs: {
    type: 'object',
    description: 'Records of one scope.',
    properties: {
      scope: {
        type: 'object',
        properties: { name: schemaNamed('Text'), version: schemaNamed('Text'), attributes: ATTRIBUTES },
      },
      logRecords: arrayOf(schemaNamed('OtlpLogRecord')),
      schemaUrl: schemaNamed('Text'),
    },
  },
  OtlpLogRecord: {
    type: 'object',
    description: 'One record, which becomes one event.',
    properties: {
      timeUnixNano: NANOSECONDS,
      observedTimeUnixNano: NANOSECONDS,
      severityNumber: { type: 'integer', minimum: 0 },
      severityText: schemaNamed('Text'),
      eventName: schemaNamed('Text'),
      body: schemaNamed('OtlpValue'),
      attributes: ATTRIBUTES,
      droppedAttributesCount: COUNT,
      flags: COUNT,
      traceId: { type: 'string', pattern: '^[0-9a-f]{32}$' },
      spanId: { type: 'string', pattern: '^[0-9a-f]{16}$' },
    },
  },
  OtlpAttribute: {
    type: 'object',
    description: 'A name and a value.',
    required: ['key'],
    properties: { key: schemaNamed('Text'), value: schemaNamed('OtlpValue') },
  },
  OtlpValue: {
    description: '`AnyValue`. Values keep every digit.',
    anyOf: [
      objectOf({ stringValue: schemaNamed('Text') }),
      objectOf({ boolValue: { type: 'boolean' } }),
      objectOf({ intValue: { type: 'string', pattern: '^(0|-?[1-9][0-9]{0,17})$' } }),
      objectOf({ doubleValue: { type: 'number' } }),
      objectOf({ arrayValue: VALUES }),
      objectOf({ kvlistValue: { type: 'object', properties: { values: ATTRIBUTES } } }),
    ],
  },
};

function packed(message: string, value: string): Content {
  return {
    schema: { type: 'string', description: `\`${message}\` in protobuf.`, 'x-opaque': true },
    examples: { packed: { summary: 'One message, in base64 here', value, 'x-base64': true } },
  };
}

/** Refusals are in the encoding of the request. */
const REFUSAL: Contents = {
  [JSON_TYPE]: {
    schema: schemaNamed('OtlpStatus'),
    examples: { status: { summary: 'A refusal', value: { code: 3, message: 'The body is not OTLP.' } } },
  },
  [PROTOBUF_TYPE]: packed('google.rpc.Status', PACKED_STATUS),
};

/** The door of OpenTelemetry. */
export const OTLP_DOOR: DoorDescription = {
  name: 'OTLP logs',
  description: 'The logs of OpenTelemetry over HTTP. Answers have the encoding of the request.',
  schemas: {
    OtlpLogs: {
      type: 'object',
      description: '`ExportLogsServiceRequest` in the JSON of OTLP. Unknown members are ignored.',
      properties: { resourceLogs: arrayOf(schemaNamed('OtlpResourceLogs')) },
      examples: [LOGS],
    },
    ...OTLP_PARTS,
    OtlpLogsAnswer: {
      ...objectOf(
        {
          partialSuccess: described(
            'It is there only when records were rejected.',
            objectOf({
              rejectedLogRecords: { type: 'string', pattern: '^[0-9]+$' },
              errorMessage: { type: 'string' },
            }),
          ),
        },
        ['partialSuccess'],
      ),
      description: '`ExportLogsServiceResponse`.',
    },
    OtlpStatus: {
      ...objectOf({ code: described('A code of gRPC.', { type: 'integer' }), message: { type: 'string' } }),
      description: '`google.rpc.Status`, the form of refusals here. Clients decide by the status of HTTP.',
    },
  },
  operations: [
    {
      id: 'exportLogs',
      method: 'post',
      path: '/v1/logs',
      summary: 'Export log records',
      description:
        'Each record becomes one event, the same from either encoding. Clients send a request again after `429` and `503`.',
      scope: 'publish',
      parameters: [CONTENT_ENCODING],
      body: {
        description: 'The records.',
        isRequired: true,
        contents: {
          [JSON_TYPE]: {
            schema: schemaNamed('OtlpLogs'),
            examples: { record: { summary: 'One record', value: LOGS } },
          },
          [PROTOBUF_TYPE]: packed('ExportLogsServiceRequest', PACKED_LOGS),
        },
      },
      answers: {
        200: {
          description: 'The brokers have every record, except those that `partialSuccess` counts.',
          contents: {
            [JSON_TYPE]: {
              schema: schemaNamed('OtlpLogsAnswer'),
              examples: { all: { summary: 'All of them are there', value: {} } },
            },
            [PROTOBUF_TYPE]: packed('ExportLogsServiceResponse', ''),
          },
        },
      },
      problems: [{ kind: 'invalid-events', status: 400 }, 'missing-topic', 'not-published'],
      refusalContents: REFUSAL,
    },
  ],
};
