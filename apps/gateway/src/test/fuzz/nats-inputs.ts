/**
 * The bytes that are sent directly to the brokers: messages of a client, and protocol bytes that no client would send.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { messageIdOf } from '#contracts';
import { anyJson, changedEvent, eventNotUtf8, hardText, validEvent } from './event-texts.js';
import { bytes, word } from './words.js';

/** The kinds of input over NATS. */
export type NatsKind =
  | 'nats: valid'
  | 'nats: one thing wrong'
  | 'nats: another subject'
  | 'nats: any JSON'
  | 'nats: deep and large'
  | 'nats: random bytes'
  | 'nats: cloudevents'
  | 'nats: raw headers';

/** One input. */
export interface NatsInput {
  readonly kind: NatsKind;
  /** The part of the subject behind the prefix. */
  readonly topic: string;
  readonly messageId?: string;
  readonly body: Buffer;
  /** More headers, which the client sends. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The event that it becomes, in the form of an event. When left out, it is the body. */
  readonly means?: string;
  /** The header block as bytes. No client corrects it. */
  readonly headers?: Buffer;
  /** Whether it is an event, and so must be stored, or be a duplicate. */
  readonly valid: boolean;
}

const OWN_HEADERS = [
  'Nats-Msg-Id',
  'nats-msg-id',
  'Nats-Rollup',
  'Nats-Expected-Stream',
  'Nats-Expected-Last-Sequence',
  'Nats-TTL',
];
const MORE_HEADERS = [
  'Nats-Schedule',
  'Nats-Batch-Id',
  'Nats-Batch-Sequence',
  'Nats-Batch-Commit',
  'Nats-Incr',
  'Status',
  'Sekali-Submission',
  'ce-specversion',
  'CE-Type',
  'content-type',
  '',
];
/** What makes a CloudEvent one that is refused. */
const BROKEN = ['specversion', 'id', 'source', 'type', 'data'] as const;

const TOPICS = ['orders.created', 'a', 'logs.web', 'x'.repeat(64)];

/** A token of a subject cannot contain white space or control characters. The brokers accept everything else. */
const subjectWord = word.map((text) => {
  const token = text.toWellFormed().replace(/[\p{Cc}\p{Z}\ufeff]/gu, '');
  return token.slice(0, 500).replace(/^\.+|\.+$|\.(?=\.)/g, '') || 'empty';
});

/** The weights give the share of each kind, in a thousand. */
export const natsInputs: fc.Arbitrary<NatsInput> = fc.oneof(
  {
    weight: 300,
    arbitrary: validEvent.map((event) =>
      message('nats: valid', event['topic'] as string, JSON.stringify(event), event),
    ),
  },
  {
    weight: 250,
    arbitrary: fc
      .tuple(fc.constantFrom(...TOPICS), changedEvent)
      .map(([topic, text]) => message('nats: one thing wrong', topic, text)),
  },
  {
    weight: 100,
    arbitrary: fc
      .tuple(subjectWord, validEvent)
      .map(([topic, event]) => message('nats: another subject', topic, JSON.stringify(event))),
  },
  {
    weight: 100,
    arbitrary: fc
      .tuple(fc.constantFrom(...TOPICS), anyJson)
      .map(([topic, text]) => message('nats: any JSON', topic, text)),
  },
  {
    weight: 50,
    arbitrary: fc
      .tuple(fc.constantFrom(...TOPICS), hardText)
      .map(([topic, text]) => message('nats: deep and large', topic, text)),
  },
  {
    weight: 120,
    arbitrary: fc
      .tuple(fc.oneof(subjectWord, fc.constantFrom(...TOPICS)), fc.oneof(bytes(200), eventNotUtf8))
      .map(([topic, body]) => ({ kind: 'nats: random bytes' as const, topic, body, valid: false })),
  },
  { weight: 80, arbitrary: rawHeaders() },
  { weight: 120, arbitrary: cloudEvents() },
);

function message(
  kind: NatsKind,
  topic: string,
  text: string,
  event?: Readonly<Record<string, unknown>>,
): NatsInput {
  const valid = event !== undefined;
  const id = valid ? { messageId: messageIdOf(topic, event['event_id'] as string) } : {};
  return { kind, topic, body: Buffer.from(text), valid, ...id };
}

/** CloudEvents in both modes, and without headers. One in five has something wrong, and must not be stored. */
function cloudEvents(): fc.Arbitrary<NatsInput> {
  return fc
    .tuple(
      validEvent,
      fc.constantFrom('structured', 'binary', 'bare'),
      fc.constantFrom(...Array.from({ length: 4 * BROKEN.length }, () => undefined), ...BROKEN),
      fc.constantFrom('ce-', 'Ce-', 'CE-'),
      fc.boolean(),
    )
    .map(([{ topic, payload }, mode, flaw, prefix, hasMessageId]) => {
      const isBinary = mode === 'binary';
      // Data of the binary mode may be any bytes.
      const broken = isBinary && flaw === 'data' ? undefined : flaw;
      const [id, source, type] = [randomUUID(), '/fuzz', topic as string];
      const right = { specversion: '1.0', id, source, type };
      const wrong: Readonly<Record<string, string>> = {
        specversion: '0.3',
        type: `${type}.other`,
      };
      const attributes = {
        ...right,
        ...(broken !== undefined && broken !== 'data' && { [broken]: wrong[broken] ?? '' }),
      };
      const whole = isBinary
        ? { ...attributes, datacontenttype: 'application/json', data: payload }
        : { ...attributes, data: payload, extension: 1 };
      const text = JSON.stringify(isBinary ? payload : whole);
      const named = Object.entries(attributes).map(([name, value]) => [`${prefix}${name}`, value] as const);
      const fields = isBinary
        ? { 'content-type': 'application/json', ...Object.fromEntries(named) }
        : mode === 'structured'
          ? { 'Content-Type': 'application/cloudevents+json; charset=utf-8' }
          : {};
      const event = { topic: type, event_id: `${source} ${id}`, source, payload: whole };
      const valid = broken === undefined;
      return {
        kind: 'nats: cloudevents',
        topic: type,
        body: Buffer.from(broken === 'data' ? `${text.slice(0, -1)},` : text),
        fields,
        means: valid ? JSON.stringify(event) : 'null',
        valid,
        ...(hasMessageId && { messageId: messageIdOf(type, event.event_id) }),
      };
    });
}

function rawHeaders(): fc.Arbitrary<NatsInput> {
  const lines = fc
    .array(
      fc.tuple(
        fc.constantFrom(...OWN_HEADERS, ...MORE_HEADERS),
        fc.oneof(word, fc.constantFrom('all', '1', '0')),
      ),
      { maxLength: 4 },
    )
    .map((pairs) =>
      Buffer.from(`NATS/1.0\r\n${pairs.map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`),
    );
  const block = fc.oneof(
    lines,
    lines,
    lines,
    bytes(60),
    fc.constantFrom(Buffer.from('NATS/1.0'), Buffer.from('NATS/1.0 503\r\n\r\n')),
  );
  return fc.tuple(fc.constantFrom(...TOPICS), block, validEvent).map(([topic, headers, event]) => ({
    kind: 'nats: raw headers',
    topic,
    headers,
    body: Buffer.from(JSON.stringify({ ...event, topic })),
    valid: false,
  }));
}
