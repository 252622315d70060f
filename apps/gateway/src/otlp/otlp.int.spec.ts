/** OTLP logs over HTTP: the same events from either encoding, and answers in the words of OTLP. */
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { otlpJson, otlpProtobuf, type OtlpGroup, type OtlpRecord } from '../test/otlp-request.js';
import { RunningGateway } from '../test/running-gateway.js';

const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
let system: TestSystem;
let gateway: RunningGateway;

beforeAll(async () => {
  system = await createTestSystem();
  gateway = await RunningGateway.start(system.environment);
});

interface Sent {
  readonly status: number;
  readonly type: string | null;
  readonly retryAfter: string | null;
  readonly bytes: Buffer;
}

async function send(
  body: string | Buffer,
  type: string,
  headers: Readonly<Record<string, string>> = {},
  to = gateway,
): Promise<Sent> {
  const response = await fetch(`${to.gateway.url}/v1/logs`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body)),
    headers: { 'content-type': type, ...headers },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const { status } = response;
  return {
    status,
    type: response.headers.get('content-type'),
    retryAfter: response.headers.get('retry-after'),
    bytes,
  };
}

/** A refusal in JSON, and the same one in protobuf, whose code and message are compared. */
async function refusalOf(
  request: (type: string) => string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  to = gateway,
): Promise<[status: number, code: number, message: string]> {
  const json = await send(request(JSON_TYPE), JSON_TYPE, headers, to);
  const { code, message } = JSON.parse(json.bytes.toString()) as { code: number; message: string };
  expect(json.type).toBe(JSON_TYPE);
  const protobuf = await send(request(PROTOBUF), PROTOBUF, headers, to);
  expect([protobuf.status, protobuf.type]).toEqual([json.status, PROTOBUF]);
  expect(protobuf.bytes.subarray(0, 3)).toEqual(Buffer.from([0x08, code, 0x12]));
  const [low = 0, high = 0] = protobuf.bytes.subarray(3);
  const [lengthBytes, length] = low < 0x80 ? [1, low] : [2, low - 0x80 + high * 0x80];
  expect(length).toBeGreaterThan(10);
  expect(protobuf.bytes).toHaveLength(3 + lengthBytes + length);
  return [json.status, code, message];
}

async function lastMessages({ connection, streamName }: TestSystem = system): Promise<number> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  return (await manager.streams.info(streamName)).state.last_seq;
}

const grouped = (records: readonly OtlpRecord[], service = 'shop'): OtlpGroup[] => [
  { resource: [['service.name', service]], scope: { name: 'test' }, records },
];
const either = (groups: readonly OtlpGroup[]) => (type: string) =>
  type === PROTOBUF ? otlpProtobuf(groups) : otlpJson(groups);

describe('log records', () => {
  it('are one event from either encoding, compressed or not', async () => {
    const groups = grouped([
      { time: 1n, body: 'a', attributes: [['n', 2n ** 63n - 1n]] },
      { time: 2n, body: Buffer.from([255]) },
    ]);
    const before = await lastMessages();
    const first = await send(otlpProtobuf(groups), PROTOBUF);
    expect(first).toMatchObject({ status: 200, type: PROTOBUF, bytes: Buffer.alloc(0) });
    expect(await lastMessages()).toBe(before + 2);
    const zip = { 'content-encoding': 'gzip' };
    const repeats = [
      await send(otlpJson(groups), `${JSON_TYPE}; charset=utf-8`),
      await send(gzipSync(otlpJson(groups)), JSON_TYPE, zip),
      await send(gzipSync(otlpProtobuf(groups)), PROTOBUF, zip),
    ];
    expect(repeats.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(repeats[0]).toMatchObject({ type: JSON_TYPE, bytes: Buffer.from('{}') });
    expect(await lastMessages()).toBe(before + 2);
  });

  it('may be more than are published at once', async () => {
    const records = Array.from({ length: 2_500 }, (_, n) => ({ time: BigInt(n + 1), body: 'many' }));
    const before = await lastMessages();
    expect((await send(otlpProtobuf(grouped(records)), PROTOBUF)).status).toBe(200);
    expect(await lastMessages()).toBe(before + 2_500);
  });

  it('may be none', async () => {
    for (const type of [PROTOBUF, JSON_TYPE]) {
      expect((await send('', type)).status).toBe(200);
      expect((await send(either([])(type), type)).status).toBe(200);
      expect((await send(either(grouped([]))(type), type)).status).toBe(200);
    }
  });

  it('are rejected one by one, and the answer counts and explains them', async () => {
    const request = either(grouped([{ body: 'right' }, { body: '\0' }, { body: '\0\0' }]));
    const message = expect.stringMatching(/^2 of 3 log records were rejected: record 1: a record must not/);
    const json = await send(request(JSON_TYPE), JSON_TYPE);
    expect([json.status, JSON.parse(json.bytes.toString())]).toEqual([
      200,
      { partialSuccess: { rejectedLogRecords: '2', errorMessage: message } },
    ]);
    const { status, bytes } = await send(request(PROTOBUF), PROTOBUF);
    const { errorMessage } = (
      JSON.parse(json.bytes.toString()) as { partialSuccess: { errorMessage: string } }
    ).partialSuccess;
    expect(status).toBe(200);
    // partial_success { rejected_log_records: 2, error_message }, whose lengths take two bytes each.
    expect([bytes[0], ...bytes.subarray(3, 6)]).toEqual([0x0a, 0x08, 2, 0x12]);
    expect(bytes.subarray(8).toString()).toBe(errorMessage);
  });
});

describe('a request that is refused', () => {
  it('is answered by a status in the encoding of the request', async () => {
    const notOtlp = await refusalOf((type) =>
      type === PROTOBUF ? Buffer.from([0x0a, 0x7f]) : '{"resourceLogs":',
    );
    expect(notOtlp.slice(0, 2)).toEqual([400, 3]);
    const allWrong = await refusalOf(either(grouped([{ body: '\0' }])));
    expect(allWrong).toEqual([400, 3, expect.stringContaining('1 of 1 log records were rejected')]);
    const large = await refusalOf(() => Buffer.alloc(17_000_000, 0x20));
    expect(large.slice(0, 2)).toEqual([413, 8]);
    const { status, bytes } = await send('{}', 'text/plain');
    expect([status, JSON.parse(bytes.toString())]).toMatchObject([415, { code: 3 }]);
    expect((await send('{}', 'application/x-ndjson')).status).toBe(415);
    expect((await send('{}', JSON_TYPE, { 'content-encoding': 'lz4' })).status).toBe(415);
  });

  it('has too many records, or repeats too large a resource', async () => {
    const before = await lastMessages();
    const many = Array.from({ length: 10_001 }, () => ({}));
    expect(await refusalOf(either(grouped(many)))).toEqual([413, 8, expect.stringContaining('10000')]);
    const resource = [['big', 'x'.repeat(200_000)]] as const;
    const [status, code] = await refusalOf(either([{ resource, records: many.slice(0, 400) }]));
    expect([status, code]).toEqual([413, 8]);
    expect(await lastMessages()).toBe(before);
  });

  it('is 503 as a whole when the brokers do not take a record, and may be sent again', async () => {
    const full = await createTestSystem({ streamBytesMax: 100_000 });
    const own = await RunningGateway.start(full.environment);
    const long = Array.from({ length: 30 }, (_, n) => ({ time: BigInt(n), body: 'y'.repeat(8_000) }));
    const request = either(grouped([...long, { body: '\0' }]));
    expect(await refusalOf(request, {}, own)).toEqual([
      503,
      14,
      expect.stringContaining('the stream is full'),
    ]);
    expect((await send(request(PROTOBUF), PROTOBUF, {}, own)).retryAfter).toBe('10');
    const manager = await jetstreamManager(full.connection, { checkAPI: false });
    await manager.streams.update(full.streamName, { max_bytes: 2_000_000 });
    const answer = await waitFor(
      async () => {
        const repeated = await send(request(PROTOBUF), PROTOBUF, {}, own);
        return repeated.status === 200 && repeated;
      },
      { timeoutMs: 10_000, describe: 'the records to be taken' },
    );
    expect(answer.bytes.toString()).toContain('1 of 31 log records were rejected: record 30');
    expect(await lastMessages(full)).toBe(30);
  });
});

describe('a key', () => {
  it('is needed, binds topics, and may name the topic of every record', async () => {
    const entry = (token: string, name: string) => {
      const scopes = ['publish' as const];
      return { key_id: apiKeyIdOf(token) ?? '', name, hash: apiKeyHash(token), scopes };
    };
    const [bound, named] = [newApiKeyToken(), newApiKeyToken()];
    await insertApiKeys(system.pool, [
      { ...entry(bound, 'bound'), topics: ['logs.shop'] },
      { ...entry(named, 'named'), topics: null, defaults: { topic: 'all.logs' } },
    ]);
    const keyed = await RunningGateway.start({ ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' });
    expect((await refusalOf(either([]), {}, keyed)).slice(0, 2)).toEqual([401, 16]);
    const authorization = `Bearer ${bound}`;
    const other = grouped([{ body: 'other' }], 'other');
    expect((await refusalOf(either(other), { authorization }, keyed)).slice(0, 2)).toEqual([403, 7]);
    const both = await send(
      otlpJson([...grouped([{ body: 'covered' }]), ...other]),
      JSON_TYPE,
      { authorization },
      keyed,
    );
    expect([both.status, both.bytes.toString()]).toEqual([
      200,
      expect.stringContaining('record 1: the key does not cover topic logs.other'),
    ]);
    const before = await lastMessages();
    await send(otlpJson(other), JSON_TYPE, { authorization: `Bearer ${named}` }, keyed);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const message = await manager.streams.getMessage(system.streamName, { seq: before + 1 });
    expect(message?.string()).toContain('"topic":"all.logs"');
  });
});
