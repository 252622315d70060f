/** The description of `/v1/logs`. */
import {
  described,
  objectOf,
  schemaNamed,
  type Content,
  type Contents,
  type DoorDescription,
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
      properties: { resourceLogs: { type: 'array', items: { type: 'object' } } },
      examples: [LOGS],
    },
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
            schema: { ...schemaNamed('OtlpLogs'), 'x-opaque': true },
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
