/** Elasticsearch's bulk requests, from its client and from bytes that no client would send. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@elastic/elasticsearch';
import { jetstreamManager } from '@nats-io/jetstream';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type Problem } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { insertApiKeys } from '#store';
import { codeBlocks, createTestSystem, FaultProxy, TcpProxy, type TestSystem } from '#testing';
import { RunningGateway, type Answered } from '../test/running-gateway.js';

interface Item {
  readonly _index: string;
  readonly _id?: string;
  readonly _seq_no?: number;
  readonly status: number;
  readonly topic?: string;
  readonly id_origin?: string;
  readonly error?: { readonly type: string; readonly reason: string };
}
interface Answer {
  readonly errors: boolean;
  readonly items: readonly Record<string, Item>[];
}

const NDJSON: Readonly<Record<string, string>> = { 'content-type': 'application/x-ndjson' };
let system: TestSystem;
let gateway: RunningGateway;
const proxies: TcpProxy[] = [];

afterAll(async () => {
  await Promise.all(proxies.map(async (proxy) => proxy.stop()));
});

beforeAll(async () => {
  system = await createTestSystem();
  gateway = await RunningGateway.start(system.environment);
});

async function send(
  lines: readonly string[] | Buffer,
  { path = '/_bulk', headers = NDJSON, method = 'POST', to = gateway } = {},
): Promise<Answered> {
  const body = Buffer.isBuffer(lines) ? lines : `${lines.join('\n')}\n`;
  return to.get(path, { method, headers, body });
}

const answerOf = ({ text }: Answered): Answer => JSON.parse(text) as Answer;
/** The items without the names of their actions. */
const itemsOf = (answered: Answered): Item[] =>
  answerOf(answered).items.flatMap((item) => Object.values(item));
const statusesOf = (answered: Answered): number[] => itemsOf(answered).map(({ status }) => status);
const create = (index: string, id: string): string => JSON.stringify({ create: { _index: index, _id: id } });

async function stateOf(of = system): Promise<{ messages: number; last_seq: number }> {
  const manager = await jetstreamManager(of.connection, { checkAPI: false });
  return (await manager.streams.info(of.streamName)).state;
}

/** The body of a message of the stream. */
async function bodyOf(seq = 0): Promise<string> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  return (await manager.streams.getMessage(system.streamName, { seq }))?.string() ?? '';
}

describe('a bulk request', () => {
  it('has an item for each action, in its order, and one wrong document harms no other', async () => {
    const lines = [
      create('orders', '1'),
      '{"total":12.5}',
      '{"index":{"_index":"orders","_id":"2"}}',
      '{"total":1}',
      create('orders', '1'),
      '{"total":12.5}',
      '{"update":{"_index":"orders","_id":"1"}}',
      '{"doc":{"total":13}}',
      '{"delete":{"_index":"orders","_id":"1"}}',
      create('orders', '3'),
      '{"total":',
      create('orders', '4'),
      '[]',
      create('orders', '5'),
      '{"a":"\\u0000"}',
      create('orders', '6'),
      '{"@timestamp":"yesterday"}',
      create('', '7'),
      '{}',
      create('orders', '8'),
      `{"a":"${'x'.repeat(300_000)}"}`,
      create('orders', '9'),
      '{}',
    ];
    const first = await send(lines);
    expect(first.status).toBe(200);
    expect(first.headers.get('x-elastic-product')).toBe('Elasticsearch');
    const { errors, items } = answerOf(first);
    expect(errors).toBe(true);
    expect(items.map((item) => Object.entries(item).map(([name, { status }]) => [name, status])[0])).toEqual([
      ['create', 201],
      ['index', 201],
      ['create', 409],
      ['update', 400],
      ['delete', 400],
      ...Array<unknown>(6).fill(['create', 400]),
      ['create', 201],
    ]);
    const types = itemsOf(first).map(({ error }) => error?.type);
    expect(types[2]).toBe('version_conflict_engine_exception');
    expect(new Set(types.slice(3, 11))).toEqual(new Set(['document_parsing_exception']));
    expect(statusesOf(await send(lines)).filter((status) => status === 201)).toEqual([]);
    const all = await send([create('orders', '10'), '{}']);
    expect(answerOf(all).errors).toBe(false);
  });

  it('becomes events with their time, source and topic, and no digit is lost', async () => {
    const document =
      '{"@timestamp":"2026-11-28T10:00:00.123456+07:00","n":12345678901234567890.10,"host":{"name":"web-1"}}';
    const answered = await send([
      '{"create":{"_index":"logs-nginx.access-default","_id":12345678901234567890}}',
      document,
      '{"create":{"_index":"logstash-2026.11.28","_id":"a"}}',
      '{"@timestamp":1795341600123,"host":"db-1"}',
      '{"create":{"_index":"plain","_id":"b"}}',
      '{"@timestamp":"2026-11-28T10:00:00","agent":{"id":"f00"}}',
      '{"create":{"_index":"plain","_id":"c"}}',
      '{"@timestamp":"2026-11-28","host.name":"web-2"}',
    ]);
    const items = itemsOf(answered);
    expect(items.map(({ _index, _id, topic }) => [_index, _id, topic])).toEqual([
      ['logs-nginx.access-default', '12345678901234567890', 'logs.nginx.access.default'],
      ['logstash-2026.11.28', 'a', 'logstash'],
      ['plain', 'b', undefined],
      ['plain', 'c', undefined],
    ]);
    const bodies = await Promise.all(items.map(({ _seq_no }) => bodyOf(_seq_no)));
    expect(bodies[0]).toBe(
      `{"topic":"logs.nginx.access.default","event_id":"12345678901234567890","timestamp":"2026-11-28T03:00:00.123456Z","source":"web-1","payload":${document}}`,
    );
    expect(bodies[1]).toContain('"timestamp":"2026-11-22T10:00:00.123000Z","source":"db-1"');
    expect(bodies[2]).toContain('"timestamp":"2026-11-28T10:00:00.000000Z","source":"f00"');
    expect(bodies[3]).toContain('"timestamp":"2026-11-28T00:00:00.000000Z","source":"web-2"');
  });

  it('gives documents without an id the hash of what they are', async () => {
    const lines = ['{"index":{}}', '{"m":1,"n":2}', '{"index":{"_id":""}}', '{"m":1,"n":2}'];
    const first = itemsOf(await send(lines, { path: '/hashed/_bulk' }));
    expect(first.map(({ status, id_origin }) => [status, id_origin])).toEqual(
      Array(2).fill([201, 'hashed_record']),
    );
    expect(new Set(first.map(({ _id }) => _id)).size).toBe(2);
    const other = ['{"index":{}}', '{"m":1,"n":2}'];
    const again = itemsOf(await send([...other, ...lines], { path: '/hashed/_bulk' }));
    expect(again.map(({ _id, status }) => [_id, status])).toEqual([
      [first[0]?._id, 409],
      [first[1]?._id, 409],
      [expect.stringMatching(/\.3$/), 201],
    ]);
    const elsewhere = itemsOf(
      await send([...other, '{"index":{"_index":"b"}}', '{"m":1,"n":2}'], { path: '/a/_bulk' }),
    );
    // The same document under another index is another event, and the first of its kind there.
    expect(elsewhere.map(({ _id }) => _id)).toEqual([
      expect.stringMatching(/^sha256:[^.]+$/),
      expect.stringMatching(/^sha256:[^.]+$/),
    ]);
  });

  it('takes the index of the action, of the address, of the key, or of none', async () => {
    const lines = [create('own', '1'), '{}', '{"create":{"_id":"2"}}', '{}'];
    expect(itemsOf(await send(lines, { path: '/of%2Fpath/_bulk', method: 'PUT' }))).toMatchObject([
      { _index: 'own', status: 201 },
      { _index: 'of/path', topic: 'of_path', status: 201 },
    ]);
    const headers = { ...NDJSON, 'sekali-topic': 'of.header' };
    expect(itemsOf(await send(lines, { headers }))[1]).toMatchObject({ _index: 'of.header', status: 201 });
    expect(itemsOf(await send(lines))[1]).toMatchObject({ status: 400, error: { reason: /./ } });
  });

  it.each([
    'application/json; charset=utf-8',
    'application/vnd.elasticsearch+x-ndjson; compatible-with=9',
    'text/json',
    'application/x-www-form-urlencoded',
  ])('may have the type %s', async (type) => {
    const lines = [create('types', type), '{}'];
    expect(statusesOf(await send(lines, { headers: { 'content-type': type } }))).toEqual([201]);
  });

  it('may be compressed, have blank lines, and end without a line feed', async () => {
    const text = `\r\n${create('packed', '1')}\r\n\r\n{}\r\n${create('packed', '2')}\n{}`;
    const headers = { ...NDJSON, 'content-encoding': 'gzip' };
    expect(statusesOf(await send(gzipSync(text), { headers }))).toEqual([201, 201]);
    const cut = await send(gzipSync(text).subarray(0, -9), { headers });
    expect([cut.status, (JSON.parse(cut.text) as Problem)['error']]).toMatchObject([
      400,
      { type: 'illegal_argument_exception' },
    ]);
  });

  it('is refused as a whole where no action can be read, in the words of both', async () => {
    const wrong: [string, readonly string[]][] = [
      ['no JSON', [create('w', '1'), '{}', '{"total":']],
      ['an unknown action', ['{"upsert":{}}', '{}']],
      ['two actions in one line', ['{"create":{},"index":{}}', '{}']],
      ['no object', ['{"create":1}', '{}']],
      ['too long', [`{"create":{"_id":"${'x'.repeat(20_000)}"}}`, '{}']],
      ['nothing', ['', ' ']],
    ];
    for (const [what, lines] of wrong) {
      const answered = await send(lines);
      const problem = JSON.parse(answered.text) as Problem;
      expect([what, answered.status, problem.status]).toEqual([what, 400, 400]);
      expect(problem['error']).toEqual(
        expect.objectContaining({ type: 'illegal_argument_exception', reason: problem.detail }),
      );
    }
    const cut = await send([create('w', '2')]);
    expect(itemsOf(cut)).toMatchObject([{ status: 400, error: { reason: /missing/ } }]);
    expect((await gateway.get('/_bulk', { method: 'POST' })).status).toBe(400);
  });

  it('has a bound for its answer, which clients have to read whole', async () => {
    const line = JSON.stringify({ delete: { _index: 'i'.repeat(250), _id: '\u0001'.repeat(250) } });
    const answered = await send(Array<string>(12_000).fill(line));
    expect([answered.status, (JSON.parse(answered.text) as Problem)['error']]).toMatchObject([
      413,
      { type: 'content_too_long_exception' },
    ]);
  });
});

describe('documents that the brokers do not take', () => {
  it('are 429 one by one in a 200, and all of them may be sent again', async () => {
    const own = await createTestSystem();
    const between = await Promise.all(
      own.natsUrls.map(async (url) => TcpProxy.start(Number(new URL(url).port))),
    );
    proxies.push(...between);
    const urls = own.natsUrls.map((url, n) => {
      const address = new URL(url);
      address.port = String(between[n]?.port);
      return address.href;
    });
    const cut = await RunningGateway.start({
      ...own.environment,
      SEKALI_NATS_URLS: urls.join(','),
      SEKALI_PUBLISH_BUDGET_MS: '1000',
    });
    const count = 5_000;
    const lines = Array.from({ length: count }, (_, n) => [create('cut', String(n)), '{"a":1}']).flat();
    lines[1] = '[]';
    for (const proxy of between) proxy.hang();
    const answered = await send(lines, { to: cut });
    expect(answered.status).toBe(200);
    const items = itemsOf(answered);
    expect(items[0]?.status).toBe(400);
    expect(items.slice(1).every(({ status }) => status === 429)).toBe(true);
    expect(items).toHaveLength(count);
    expect(items[1]?.error?.type).toBe('es_rejected_execution_exception');
    for (const proxy of between) proxy.heal();
    const other = await RunningGateway.start(own.environment);
    const again = statusesOf(await send(lines, { to: other }));
    expect(again.filter((status) => status === 201 || status === 409)).toHaveLength(count - 1);
    expect((await stateOf(own)).messages).toBe(count - 1);
  });
});

describe('a key', () => {
  it('is sent as clients of Elasticsearch do, and covers some topics', async () => {
    const token = newApiKeyToken();
    const entry = { key_id: apiKeyIdOf(token) ?? '', name: 'beat', hash: apiKeyHash(token) };
    const defaults = { topic: 'logs.default', id_field: '/event/id' };
    await insertApiKeys(system.pool, [{ ...entry, scopes: ['publish'], topics: ['logs.>'], defaults }]);
    const to = await RunningGateway.start({ ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' });
    const authorization = `ApiKey ${Buffer.from(`beat:${token}`).toString('base64')}`;
    const lines = [
      create('logs-a-b', '1'),
      '{}',
      create('orders', '2'),
      '{}',
      '{"index":{}}',
      '{"event":{"id":"own"}}',
    ];
    const answered = await send(lines, { to, headers: { ...NDJSON, authorization } });
    expect(itemsOf(answered)).toMatchObject([
      { status: 201, topic: 'logs.a.b' },
      { status: 403, error: { type: 'security_exception' } },
      { status: 201, _index: 'logs.default', _id: 'own' },
    ]);
    expect(await bodyOf(itemsOf(answered)[2]?._seq_no)).toContain('"source":"beat"');
    for (const path of ['/', '/_license', '/_cluster/health', '/_template/a'])
      expect([path, (await to.get(path)).status]).toEqual([path, 401]);
    expect((await send(lines, { to })).status).toBe(401);
  });
});

describe('the client of Elasticsearch', () => {
  it('knows what it talks to', async () => {
    const client = new Client({ node: gateway.gateway.url });
    expect(await client.info()).toMatchObject({
      cluster_name: 'sekali',
      version: { build_flavor: 'default' },
    });
    expect(await client.ping()).toBe(true);
    expect(await client.cluster.health()).toMatchObject({ status: 'green' });
    expect((await client.license.get()).license.status).toBe('active');
    expect(await client.indices.exists({ index: 'logs' })).toBe(true);
    expect(await client.indices.create({ index: 'logs' })).toMatchObject({
      acknowledged: true,
      index: 'logs',
    });
    expect(await client.indices.existsIndexTemplate({ name: 'logs' })).toBe(true);
    expect(await client.indices.putIndexTemplate({ name: 'logs' })).toEqual({ acknowledged: true });
    expect(await client.ingest.putPipeline({ id: 'logs' })).toEqual({ acknowledged: true });
    expect(await client.ilm.putLifecycle({ name: 'logs' })).toEqual({ acknowledged: true });
    const line = await gateway.get('/_cat/health');
    expect([line.headers.get('content-type'), line.text.split(' ')[3]]).toEqual([
      'text/plain; charset=utf-8',
      'green',
    ]);
    await client.close();
  });

  it('does what the page of the gateway shows', async () => {
    const path = 'apps/gateway/README.md';
    const text = readFileSync(join(findRepositoryRoot(), path), 'utf8');
    const shown = codeBlocks({ path, text }).find((block) => block.text.includes('helpers.bulk'))?.text;
    const token = newApiKeyToken();
    const entry = { key_id: apiKeyIdOf(token) ?? '', name: 'js', hash: apiKeyHash(token), topics: null };
    await insertApiKeys(system.pool, [{ ...entry, scopes: ['publish'] }]);
    const to = await RunningGateway.start({ ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' });
    const names = ['Client', 'node', 'apiKey', 'orders', 'failures'];
    const program = compileFunction(`return (async () => {${shown ?? ''}})()`, names) as (
      ...values: unknown[]
    ) => Promise<void>;
    const failures: unknown[] = [];
    const before = (await stateOf()).messages;
    const apiKey = { id: 'sekali', api_key: token };
    const orders = [{ id: 'a' }, { id: 'b' }, { id: 'a' }, { id: 'c', '@timestamp': 'never' }];
    await program(Client, to.gateway.url, apiKey, orders, failures);
    expect(failures).toMatchObject([{ type: 'document_parsing_exception' }]);
    expect((await stateOf()).messages - before).toBe(2);
  });

  it('stores each document once through a bad network, and says which it had sent before', async () => {
    const refused = { status: 503, body: '{}', headers: { 'content-type': 'application/json' } };
    const proxy = await FaultProxy.start(gateway.gateway.url, {
      faults: [refused, 'reset', 'lose'],
      path: /_bulk/,
    });
    const client = new Client({ node: proxy.url, maxRetries: 5 });
    const count = 300;
    const before = (await stateOf()).messages;
    const duplicates: number[] = [];
    const result = await client.helpers.bulk(
      {
        datasource: Array.from({ length: count }, (_, n) => ({ n })),
        onDocument: ({ n }) => ({ create: { _index: 'helper', _id: String(n) } }),
        onDrop: ({ status }) => void duplicates.push(status),
      },
      { retryBackoff: () => 0 },
    );
    await client.close();
    // The answer that was lost had said that all of them were new.
    expect(duplicates).toEqual(Array(count).fill(409));
    expect(result).toMatchObject({ total: count, failed: count });
    expect((await stateOf()).messages - before).toBe(count);
  });
});
