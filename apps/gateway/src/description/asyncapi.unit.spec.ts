/** The description of NATS is valid, and messages that it permits are events. */
import { describe, expect, it } from '@jest/globals';
import specifications from '@asyncapi/specs';
import Ajv, { type AnySchema } from 'ajv';
import formats from 'ajv-formats';
import fc from 'fast-check';
import {
  decodeEvent,
  EVENT_BYTES_MAX,
  MESSAGE_ID_HEADER,
  messageIdOf,
  subjectOf,
  topicFromName,
} from '#contracts';
import { DescribedSchemas } from '../test/described/described-schemas.js';
import { DescribedValues } from '../test/described/described-values.js';
import { EXAMPLE_CLOUD_EVENT } from '../cloudevents/cloudevents-description.js';
import { asyncApiDocument } from './asyncapi.js';
import type { Schema } from './operation.js';

const PREFIX = 'events';
const document = JSON.parse(JSON.stringify(asyncApiDocument(PREFIX))) as ReturnType<typeof asyncApiDocument>;
const schemas = new DescribedSchemas(document);
const values = new DescribedValues(schemas);
const named = (name: string): { $ref: string } => ({ $ref: `#/components/schemas/${name}` });

function decoded(subject: string, body: string, messageId?: string): ReturnType<typeof decodeEvent> {
  const message = {
    subject,
    data: Buffer.from(body),
    header: (name: string) => (name === MESSAGE_ID_HEADER ? messageId : undefined),
  };
  return decodeEvent(message, PREFIX, EVENT_BYTES_MAX);
}

/** A message with headers as they are on the wire. */
function decodedCloudEvent(type: string, body: string, headers: object = {}): ReturnType<typeof decodeEvent> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  const message = {
    subject: subjectOf(PREFIX, topicFromName(type)),
    data: Buffer.from(body),
    header: () => undefined,
    headerBytes: () => Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`),
  };
  return decodeEvent(message, PREFIX, EVENT_BYTES_MAX);
}

/** A value of a header in quotation marks is what stands between them. */
function headerText(value: string): string {
  return /^"(?:[^"\\]|\\.)*"$/.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;
}

describe('the document', () => {
  it('is valid AsyncAPI 3.0', () => {
    // The specification has the schema of schemas in it.
    const ajv = new Ajv.default({ strict: false, meta: false, validateSchema: false });
    formats.default(ajv);
    const validate = ajv.compile(specifications.schemas['3.0.0'] as AnySchema);
    expect([validate(document), validate.errors]).toEqual([true, null]);
  });

  it('has examples that follow their schemas, and that are events', () => {
    for (const [name, { payload, examples }] of Object.entries(document.components.messages)) {
      const place = payload['$ref'] as string;
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples)
        expect([name, schemas.error(place.slice(2).split('/'), example.payload)]).toEqual([name, undefined]);
    }
    for (const { headers, payload } of document.components.messages['Event']?.examples ?? []) {
      const messageId = (headers as Record<string, string>)[MESSAGE_ID_HEADER];
      const read = decoded(subjectOf(PREFIX, 'orders.created'), JSON.stringify(payload), messageId);
      expect(read).toMatchObject({ ok: true, event: { topic: 'orders.created', eventId: 'o-1' } });
    }
    for (const name of ['CloudEvent', 'BinaryCloudEvent'])
      for (const { headers, payload } of document.components.messages[name]?.examples ?? []) {
        const read = decodedCloudEvent(EXAMPLE_CLOUD_EVENT.type, JSON.stringify(payload), headers);
        expect(read).toMatchObject({ ok: true, event: { topic: 'com.example.order', eventId: '/shop 2' } });
      }
  });
});

describe('a message that it permits', () => {
  it('is an event, with its topic from the subject and its id from the header', () => {
    const message = fc.tuple(
      values.of(named('NatsEvent')),
      values.of(named('Topic')),
      values.of(named('EventId')),
    );
    fc.assert(
      fc.property(message, ([drawn, topic, id]) => {
        const body = drawn as { topic?: string; event_id?: string };
        const subject = subjectOf(PREFIX, body.topic ?? (topic as string));
        const messageId = messageIdOf(body.topic ?? (topic as string), body.event_id ?? (id as string));
        expect(decoded(subject, JSON.stringify(body), messageId)).toMatchObject({ ok: true });
      }),
      { numRuns: 200 },
    );
  });
});

describe('a CloudEvent that it permits', () => {
  it('is an event in the structured mode, with or without the header', () => {
    const headers = fc.constantFrom(undefined, { 'content-type': 'application/cloudevents+json' });
    fc.assert(
      fc.property(values.of(named('CloudEvent')), headers, (drawn, given) => {
        const { type } = drawn as { type: string };
        expect(decodedCloudEvent(type, JSON.stringify(drawn), given)).toMatchObject({ ok: true });
      }),
      { numRuns: 200 },
    );
  });

  it('is an event in the binary mode, and none without one of the attributes that are required', () => {
    const { properties = {}, required = [] } = (document.components.messages['BinaryCloudEvent']?.headers ??
      {}) as { properties?: Record<string, object>; required?: string[] };
    const attributes = required.map((name) => values.of(properties[name] as Schema).map(String));
    fc.assert(
      fc.property(fc.tuple(...attributes), fc.nat(required.length - 1), fc.json(), (drawn, left, data) => {
        const headers = Object.fromEntries(required.map((name, at) => [name, drawn[at] ?? '']));
        const type = headerText(headers['ce-type'] ?? '');
        expect(decodedCloudEvent(type, data, headers)).toMatchObject({ ok: true });
        const others = Object.fromEntries(
          Object.entries(headers).filter(([name]) => name !== required[left]),
        );
        expect(decodedCloudEvent(type, data, others)).toMatchObject({ ok: false });
      }),
      { numRuns: 200 },
    );
  });
});

describe('a message that is an event', () => {
  it('is permitted, and what is not permitted has a reason that is named', () => {
    const reasons = document.operations['publishEvent']?.['x-dead-letters'].map(({ reason }) => reason);
    const members = fc.record(
      {
        ...Object.fromEntries(
          ['topic', 'event_id', 'source', 'timestamp', 'payload', 'more'].map((name) => [
            name,
            fc.json().map((text) => JSON.parse(text) as unknown),
          ]),
        ),
      },
      { requiredKeys: [] },
    );
    const mixed = fc
      .tuple(values.of(named('NatsEvent')), members)
      .map(([event, others]) => ({ ...(event as object), ...others }));
    const found = { events: 0, poison: 0 };
    fc.assert(
      fc.property(fc.oneof(mixed, fc.jsonValue(), values.of(named('NatsEvent'))), (body) => {
        const { topic } = (body ?? {}) as { topic?: unknown };
        const subject = typeof topic === 'string' ? topic : 'a';
        const read = decoded(subjectOf(PREFIX, subject), JSON.stringify(body), messageIdOf(subject, 'x'));
        found[read.ok ? 'events' : 'poison'] += 1;
        const error = schemas.error(['components', 'schemas', 'NatsEvent'], body);
        expect(read.ok ? error : reasons?.find((reason) => reason === read.reason)).toBe(
          read.ok ? undefined : read.reason,
        );
      }),
      { numRuns: 300, seed: 18 },
    );
    expect([found.events > 50, found.poison > 50]).toEqual([true, true]);
  });
});
