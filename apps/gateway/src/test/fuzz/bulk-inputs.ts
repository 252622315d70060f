/** Inputs in the form of Elasticsearch's bulk requests, and to the routes around them. */
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { anyJson, changedEvent, validEvent } from './event-texts.js';
import { request, type Headers } from './request-bytes.js';
import { word } from './words.js';

/** The kinds of these inputs. */
export type BulkKind = 'elasticsearch: bulk' | 'elasticsearch: cluster';

/** One input to the open gateway, see `HttpInput`. */
export interface BulkInput {
  readonly kind: BulkKind;
  readonly door: 'open';
  readonly bytes: Buffer;
  readonly body?: string;
  readonly then: 'wait';
  readonly right?: readonly number[];
  readonly unread?: boolean;
}

/** Names of indices, and their topics. */
const INDICES = [
  ['bulk', 'bulk'],
  ['bulk-2026.11.28', 'bulk'],
  ['logs-a.b-c', 'logs.a.b.c'],
  ['a/b:c', 'a_b_c'],
] as const;
const SOURCE = 'fuzz-host';

interface Pair {
  readonly lines: readonly string[];
  /** The event that it becomes, if it is stored. */
  readonly event?: object;
}

const document: fc.Arbitrary<Pair> = fc
  .tuple(validEvent, fc.constantFrom(...INDICES), fc.constantFrom('create', 'index'))
  .map(([{ payload }, [_index, topic], action]) => {
    const _id = randomUUID();
    const own = { ...(payload as object), host: { name: SOURCE } };
    const lines = [JSON.stringify({ [action]: { _index, _id } }), JSON.stringify(own)];
    return { lines, event: { topic, event_id: _id, source: SOURCE, payload: own } };
  });

/** Documents that are none, actions that are refused, and lines that end the request. */
const broken: fc.Arbitrary<Pair> = fc
  .oneof(
    fc.oneof(anyJson, word).map((text) => ['{"create":{"_index":"bulk","_id":"1"}}', `[${text}`]),
    fc.constantFrom(
      ['{"update":{"_id":"1"}}', '{}'],
      ['{"delete":{"_id":"1"}}'],
      ['{"create":{"_index":1,"_id":{}}}', '{"@timestamp":{}}'],
      ['{"index":{"_index":"x"}}', '{"__proto__":{"host":1},"@timestamp":"x"}'],
      ['', ' '],
    ),
    changedEvent.map((text) => ['{"create":{}}', `[${text}`]),
    fc.constantFrom('{', 'null', '{"create":null}', '[]', '"', '{"a":{}}').map((line) => [line]),
  )
  .map((lines) => ({ lines }));

const bulk: fc.Arbitrary<BulkInput> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 4, arbitrary: document }, { weight: 1, arbitrary: broken }), {
      minLength: 1,
      maxLength: 6,
    }),
    fc.constantFrom('/_bulk', '/of.path/_bulk', '/a%2Fb/_bulk?refresh=true'),
    fc.constantFrom('POST', 'PUT'),
    fc.constantFrom('application/x-ndjson', 'application/json', 'x/y', ''),
    fc.boolean(),
  )
  .map(([pairs, path, method, type, isPacked]) => {
    const text = `${pairs.flatMap(({ lines }) => lines).join('\n')}\n`;
    const headers: Headers = [
      ['Content-Type', type],
      ...(isPacked ? [['Content-Encoding', 'gzip'] as const] : []),
    ];
    return {
      kind: 'elasticsearch: bulk',
      door: 'open',
      bytes: request(method, path, headers, isPacked ? gzipSync(text) : text),
      // The answer names no events, so they count as events that may be stored.
      body: JSON.stringify(pairs.flatMap(({ event }) => event ?? [])),
      then: 'wait',
      unread: true,
      right: [200, 400, 415],
    };
  });

const cluster: fc.Arbitrary<BulkInput> = fc
  .tuple(
    fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE'),
    fc.constantFrom(
      '/',
      '/_license',
      '/_cat/health',
      '/_cluster/health',
      '/_template/',
      '/_ilm/policy/',
      '/_x/',
    ),
    word,
    fc.constantFrom('', '{}', '{'),
  )
  .map(([method, path, name, body]) => {
    const target = `${path}${encodeURIComponent(name.toWellFormed())}`;
    const bytes = request(method, target, [['Content-Type', 'application/json']], body);
    return { kind: 'elasticsearch: cluster', door: 'open', bytes, then: 'wait' };
  });

/** Each of these forms. */
export const bulkInputs: fc.Arbitrary<BulkInput> = fc.oneof(
  { weight: 5, arbitrary: bulk },
  { weight: 1, arbitrary: cluster },
);
