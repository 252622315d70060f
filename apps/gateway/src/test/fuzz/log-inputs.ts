/** Inputs of log shippers: uploads of a journal, and pushes to Loki. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { compressSync } from 'snappy';
import { protobufPush } from '../../loki/test/protobuf-push.js';
import { validEvent } from './event-texts.js';
import { request, type Headers } from './request-bytes.js';
import { bytes, word } from './words.js';

/** The kinds of these inputs. */
export type LogKind = 'journal' | 'loki';

/** One input to the open gateway, see `HttpInput`. Its answer names no event. */
export interface LogInput {
  readonly kind: LogKind;
  readonly door: 'open';
  readonly bytes: Buffer;
  /** The events that may be stored. */
  readonly body?: string;
  readonly then: 'wait';
  readonly right: readonly number[];
  readonly unread: true;
}

const JOURNAL: readonly [string, string] = ['Content-Type', 'application/vnd.fdo.journal'];
const MACHINE = 'fuzz';
const WORDS_MAX = 200;

/** A text that stays the same on its way: well-formed, and without the zero character. */
const text = word.map((value) => value.replaceAll('\0', '').slice(0, WORDS_MAX).toWellFormed());

function upload(body: Buffer, right: readonly number[], events: string[] = []): LogInput {
  const shared = { kind: 'journal', door: 'open', then: 'wait', unread: true } as const;
  return {
    ...shared,
    bytes: request('POST', '/upload', [JOURNAL], body),
    body: `[${events.join(',')}]`,
    right,
  };
}

/** Entries with text of any kind, as lines and with their size in front. */
const entries: fc.Arbitrary<LogInput> = fc
  .array(fc.tuple(validEvent, text, fc.boolean()), { minLength: 1, maxLength: 3 })
  .map((sent) => {
    const written = sent.map(([{ event_id: id }, message, isSized]) => {
      const cursor = Array.from(String(id)).slice(0, 100).join('');
      const fields = { __CURSOR: cursor, _HOSTNAME: MACHINE, MESSAGE: message };
      const parts = Object.entries(fields).map(([name, value]) =>
        isSized || value.includes('\n') ? sized(name, Buffer.from(value)) : Buffer.from(`${name}=${value}\n`),
      );
      const event = { topic: 'logs.journal', event_id: cursor, source: MACHINE, payload: fields };
      return { entry: Buffer.concat([...parts, Buffer.from('\n')]), event: JSON.stringify(event) };
    });
    const body = Buffer.concat(written.map(({ entry }) => entry));
    return upload(
      body,
      [202],
      written.map(({ event }) => event),
    );
  });

function sized(name: string, value: Buffer): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), size, value, Buffer.from('\n')]);
}

/** Bytes that are no journal, without the end of an entry. */
const noJournal: fc.Arbitrary<LogInput> = fc
  .oneof(
    bytes(300).map((random) => Buffer.concat([Buffer.from('=\n'), random])),
    fc
      .constantFrom('A', 'A\n', 'A=1\n', 'a b=1\n\n', `A\n${'\xff'.repeat(8)}`, 'x'.repeat(400_000))
      .map((raw) => Buffer.from(raw, 'latin1')),
    fc.nat({ max: 3_000 }).map((count) => Buffer.from('A=\n'.repeat(count + 1_025))),
  )
  .map((body) => upload(body, [400]));

function push(body: string | Buffer, headers: Headers, right: readonly number[]): LogInput {
  const shared = { kind: 'loki', door: 'open', then: 'wait', unread: true } as const;
  return { ...shared, bytes: request('POST', '/loki/api/v1/push', headers, body), right };
}

const JSON_TYPE: Headers = [['Content-Type', 'application/json']];
const PROTOBUF: Headers = [['Content-Type', 'application/x-protobuf']];

/**
 * Pushes that are refused as a whole, or of which no entry can be taken. The ids of others are hashes, which this test
 * would have to compute as the gateway does, so they would prove nothing here.
 */
const refusedPush: fc.Arbitrary<LogInput> = fc
  .tuple(text, text, fc.integer({ min: 0, max: 7 }), bytes(200))
  .map(([label, line, way, random]) => {
    const streams = [{ labels: { app: `${label}${'x'.repeat(5_000)}` }, entries: [{ ns: '1', line }] }];
    const json = JSON.stringify({ streams: [{ stream: { app: label }, values: [['never', line]] }] });
    const long = compressSync(protobufPush(streams));
    return [
      push(json, JSON_TYPE, [400]),
      push(gzipSync(json), [...JSON_TYPE, ['Content-Encoding', 'gzip']], [400]),
      push(json.slice(0, 1 + (random.length % (json.length - 1))), JSON_TYPE, [400]),
      push('['.repeat(400_000), JSON_TYPE, [400]),
      push(Buffer.concat([Buffer.from([0xff]), random]), PROTOBUF, [400, 413]),
      push(compressSync(Buffer.concat([Buffer.from([0x0b]), random])), PROTOBUF, [400]),
      push(long, [...PROTOBUF, ['Content-Encoding', 'snappy']], [400]),
      push(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0xfe, 1, 0]), PROTOBUF, [413]),
    ][way] as LogInput;
  });

/** Each of these. */
export const logInputs: fc.Arbitrary<LogInput> = fc.oneof(
  { weight: 2, arbitrary: entries },
  { weight: 2, arbitrary: noJournal },
  { weight: 2, arbitrary: refusedPush },
);
