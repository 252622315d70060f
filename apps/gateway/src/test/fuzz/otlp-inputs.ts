/** Inputs of OTLP logs: whole requests in either encoding, compressed or not, and requests that are cut or mislabelled. */
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { otlpJson, otlpProtobuf } from '../otlp-request.js';
import { request, type Headers } from './request-bytes.js';
import { word } from './words.js';

/** One input to the open gateway, see `HttpInput`. Its answer has no results, so its events may be stored. */
export interface OtlpInput {
  readonly kind: 'otlp';
  readonly door: 'open';
  readonly bytes: Buffer;
  readonly body: string;
  readonly then: 'wait';
  readonly right: readonly number[];
  readonly unread: true;
}

const ENCODINGS = {
  'application/json': (groups: Parameters<typeof otlpJson>[0]) => Buffer.from(otlpJson(groups)),
  'application/x-protobuf': otlpProtobuf,
} as const;
const types = Object.keys(ENCODINGS) as (keyof typeof ENCODINGS)[];
const other = { 'application/json': 'application/x-protobuf', 'application/x-protobuf': 'application/json' };

/** What the sender does to a whole request, and the statuses that are right then. */
const MANNERS = {
  whole: [200],
  // Protobuf begins with a line feed and a length, which JSON never does; `{` is a field of a wire type without use.
  mislabelled: [400],
  cut: [400],
  unreadable: [415],
} as const;

/** A record with a text of any kind, which must be stored as it is, or rejected where Postgres cannot hold it. */
export const otlpInputs: fc.Arbitrary<OtlpInput> = fc
  .tuple(
    fc.constantFrom(...types),
    fc.constantFrom('whole', 'whole', 'whole', 'mislabelled', 'cut', 'unreadable'),
    fc.array(word, { minLength: 1, maxLength: 4 }),
    fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    fc.boolean(),
  )
  .map(([type, manner, words, part, isPacked]) => {
    const texts = words.map((text) => text.toWellFormed());
    const ids = texts.map(() => randomUUID());
    const records = texts.map((body, n) => ({
      body,
      attributes: [['log.record.uid', ids[n] ?? '']] as const,
    }));
    const whole = ENCODINGS[type]([{ resource: [['service.name', 'fuzz']], records }]);
    const sent = manner === 'cut' ? whole.subarray(0, 1 + Math.floor(part * (whole.length - 1))) : whole;
    const named = manner === 'mislabelled' ? other[type] : manner === 'unreadable' ? 'text/xml' : type;
    const headers: Headers = [
      ['Content-Type', named],
      ...(isPacked ? [['Content-Encoding', 'gzip'] as const] : []),
    ];
    const events = texts.map((body, n) => ({
      topic: 'logs.fuzz',
      event_id: ids[n],
      source: 'otlp',
      payload: {
        body,
        attributes: { 'log.record.uid': ids[n] },
        resource: { attributes: { 'service.name': 'fuzz' } },
      },
    }));
    const allBad = texts.every((text) => text.includes('\0'));
    return {
      kind: 'otlp',
      door: 'open',
      bytes: request('POST', '/v1/logs', headers, isPacked ? gzipSync(sent) : sent),
      body: JSON.stringify(events),
      then: 'wait',
      right: manner === 'whole' && allBad ? [400] : MANNERS[manner],
      unread: true,
    };
  });
