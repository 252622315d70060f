/** `POST /loki/api/v1/push` at the gateway: formats, answers, and what is published. */
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { compressSync } from 'snappy';
import { createTestSystem, type TestSystem } from '#testing';
import { problemOf, RunningGateway, type Answered } from '../test/running-gateway.js';
import { protobufPush } from './test/protobuf-push.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const PROTOBUF = { 'content-type': 'application/x-protobuf' };
let system: TestSystem;
let gateway: RunningGateway;

beforeAll(async () => {
  system = await createTestSystem();
  gateway = await RunningGateway.start({ ...system.environment, SEKALI_BODY_BYTES_MAX: '1000000' });
});

async function push(body: string | Buffer, headers: Readonly<Record<string, string>>): Promise<Answered> {
  return gateway.get('/loki/api/v1/push', {
    method: 'POST',
    headers,
    body: new Uint8Array(Buffer.from(body)),
  });
}

/** The bodies of the messages of the stream behind a sequence, and the last sequence. */
async function published(behind: number): Promise<{ bodies: Record<string, unknown>[]; last: number }> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { last_seq: last } = (await manager.streams.info(system.streamName)).state;
  const bodies: Record<string, unknown>[] = [];
  for (let seq = behind + 1; seq <= last; seq++) {
    const message = await manager.streams.getMessage(system.streamName, { seq });
    bodies.push(message?.json() ?? {});
  }
  return { bodies, last };
}

const values = (count: number, name: string): string[][] =>
  Array.from({ length: count }, (_, n) => [`${1_795_341_600_000_000_000n + BigInt(n)}`, `${name} ${n}`]);
const jsonPush = (app: string, of: readonly unknown[]): string =>
  JSON.stringify({ streams: [{ stream: { app }, values: of }] });

describe('a push to Loki', () => {
  it('is 204 in every format that clients send, and the same push again changes nothing', async () => {
    const { last: before } = await published(Number.MAX_SAFE_INTEGER);
    const text = jsonPush('web', values(2, 'line'));
    const entries = values(2, 'line').map(([ns = '', line = '']) => ({ ns, line }));
    const packed = compressSync(protobufPush([{ labels: { app: 'web' }, entries }]));
    const sent: Answered[] = [
      await push(text, JSON_TYPE),
      await push(text, { 'content-type': 'application/json; charset=utf-8' }),
      await push(gzipSync(text), { ...JSON_TYPE, 'content-encoding': 'gzip' }),
      await push(packed, PROTOBUF),
      await push(packed, {}),
      await push(packed, { ...PROTOBUF, 'content-encoding': 'snappy' }),
    ];
    for (const answer of sent) expect([answer.status, answer.text]).toEqual([204, '']);
    const { bodies } = await published(before);
    expect(bodies.map(({ topic, payload }) => [topic, (payload as { line: string }).line])).toEqual([
      ['web', 'line 0'],
      ['web', 'line 1'],
    ]);
    expect((await push('{"streams":[]}', JSON_TYPE)).status).toBe(204);
  });

  it('may have more entries than a request of events', async () => {
    const { last: before } = await published(Number.MAX_SAFE_INTEGER);
    expect((await push(jsonPush('many', values(11_000, 'n')), JSON_TYPE)).status).toBe(204);
    const { last } = await published(Number.MAX_SAFE_INTEGER);
    expect(last).toBe(before + 11_000);
  });

  it('of which some entries can never be taken is 400 and names them; the others are taken', async () => {
    const { last: before } = await published(Number.MAX_SAFE_INTEGER);
    const answer = await push(
      jsonPush('some', [
        ['now', 'x'],
        ['5', 'fine'],
        ['-5', 'x'],
      ]),
      JSON_TYPE,
    );
    const { detail, type, rejected } = problemOf(answer);
    expect([answer.status, type, detail]).toEqual([
      400,
      'urn:sekali:problem:invalid-records',
      '2 of 3 records were not taken, and the others were. The first one: the time of an entry is nanoseconds since 1970, as a string of digits.',
    ]);
    expect(rejected).toMatchObject([{ index: 0 }, { index: 2 }]);
    const { bodies } = await published(before);
    expect(bodies).toMatchObject([
      { timestamp: '1970-01-01T00:00:00.000000Z', payload: { line: 'fine', timestamp_ns: '5' } },
    ]);
  });

  it('names its topic, its source and its tenant in headers', async () => {
    const { last: before } = await published(Number.MAX_SAFE_INTEGER);
    const headers = {
      ...JSON_TYPE,
      'sekali-topic': 'logs.all',
      'sekali-source': 's',
      'x-scope-orgid': 'team-a',
    };
    expect((await push(jsonPush('web', values(1, 'tenant')), headers)).status).toBe(204);
    const { bodies } = await published(before);
    expect(bodies).toMatchObject([{ topic: 'logs.all', source: 's', payload: { tenant: 'team-a' } }]);
    const wrong = await push('{"streams":[]}', { ...JSON_TYPE, 'x-scope-orgid': 'a b' });
    expect(problemOf(wrong).detail).toContain('X-Scope-OrgID');
  });

  it('that breaks off is 400, and the streams before are taken', async () => {
    const { last: before } = await published(Number.MAX_SAFE_INTEGER);
    const text = jsonPush('cut', values(2, 'kept')).replace(/]}$/, ',{"stream":{},"values":[["1","lost"');
    const answer = await push(text, JSON_TYPE);
    expect([answer.status, problemOf(answer).detail]).toEqual([
      400,
      expect.stringMatching(
        /^The push cannot be read: .+ at byte \d+\. Entries before it may have been published\.$/,
      ),
    ]);
    const { bodies } = await published(before);
    expect(bodies).toMatchObject([{ payload: { line: 'kept 0' } }, { payload: { line: 'kept 1' } }]);
  });

  it('that cannot be read is refused', async () => {
    const bomb = Buffer.concat([Buffer.from([0x81, 0x84, 0x3e]), Buffer.alloc(100)]);
    const refused: [number, string | Buffer, Record<string, string>][] = [
      [400, '{"streams":[', JSON_TYPE],
      [400, '{"streams":[]}', PROTOBUF],
      [400, compressSync(Buffer.from([0x0a, 0x05])), PROTOBUF],
      [413, bomb, PROTOBUF],
      [413, gzipSync(Buffer.alloc(2_000_000, 0x20)), { ...JSON_TYPE, 'content-encoding': 'gzip' }],
      [415, '{}', { 'content-type': 'text/plain' }],
      [415, '{}', { 'content-type': 'application/x-ndjson' }],
      [415, '{}', { ...JSON_TYPE, 'content-encoding': 'lz4' }],
    ];
    for (const [status, body, headers] of refused) {
      const answer = await push(body, headers);
      problemOf(answer);
      expect([headers, answer.status]).toEqual([headers, status]);
    }
    expect((await gateway.get('/loki/api/v1/push')).status).toBe(405);
    const snappy = await gateway.publish('[]', { 'content-encoding': 'snappy' });
    expect(snappy.status).toBe(415);
  });
});
