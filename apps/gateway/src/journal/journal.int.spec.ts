/** `POST /upload` as systemd-journal-upload uses it: its headers, its chunks, its last entry again at every start. */
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { problemOf, RunningGateway, type Answered } from '../test/running-gateway.js';

/** The headers of systemd-journal-upload 252. */
const HEADERS = {
  'user-agent': 'systemd-journal-upload 252.39-1~deb12u2',
  'content-type': 'application/vnd.fdo.journal',
  accept: 'text/plain',
};
let system: TestSystem;
let gateway: RunningGateway;

beforeAll(async () => {
  system = await createTestSystem();
  gateway = await RunningGateway.start(system.environment);
});

const entry = (n: number | string, more = ''): string =>
  `__CURSOR=s=7af1;i=${n};t=660da8a536a40\n__REALTIME_TIMESTAMP=1795341600123456\n__MONOTONIC_TIMESTAMP=1000\n_HOSTNAME=h1\n_SYSTEMD_UNIT=web.service\nMESSAGE=line ${n}\n${more}\n`;

async function upload(
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  to = gateway,
): Promise<Answered> {
  return to.get('/upload', {
    method: 'POST',
    headers: { ...HEADERS, ...headers },
    body: new Uint8Array(Buffer.from(body)),
  });
}

function begin(to: RunningGateway): ClientRequest {
  const headers = { ...HEADERS, 'transfer-encoding': 'chunked' };
  const request = httpRequest(new URL('/upload', to.gateway.url), { method: 'POST', headers });
  request.on('error', () => undefined);
  request.flushHeaders();
  return request;
}

async function messages(of = system): Promise<number> {
  const manager = await jetstreamManager(of.connection, { checkAPI: false });
  return (await manager.streams.info(of.streamName)).state.messages;
}

describe('an upload of a journal', () => {
  it('is answered as systemd expects, and its last entry is stored once, however often it is sent', async () => {
    const before = await messages();
    const first = await upload(entry('a1') + entry('a2'));
    expect([first.status, first.headers.get('content-type'), first.text]).toEqual([
      202,
      'text/plain; charset=utf-8',
      'OK.\n',
    ]);
    for (const rest of ['', entry('a3'), entry('a3')])
      expect((await upload(entry('a2') + rest)).status).toBe(202);
    expect(await messages()).toBe(before + 3);
  });

  it('is published while it arrives, and answered only at its end', async () => {
    const before = await messages();
    const request = begin(gateway);
    const response = once(request, 'response') as Promise<[IncomingMessage]>;
    let isAnswered = false;
    void response.then(() => (isAnswered = true));
    for (let n = 0; n < 3; n++) {
      request.write(entry(`live-${n}`).repeat(2).slice(0, -1));
      await waitFor(async () => (await messages()) === before + n + 1, {
        timeoutMs: 10_000,
        describe: `entry ${n}`,
      });
      request.write('\n');
    }
    expect(isAnswered).toBe(false);
    request.end();
    const [answer] = await response;
    expect([answer.statusCode, await textOf(answer)]).toEqual([202, 'OK.\n']);
  });

  it('may be compressed, and keeps bytes that are not text', async () => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(3n);
    const binary = Buffer.concat([Buffer.from('DATA\n'), size, Buffer.from([0, 255, 10]), Buffer.from('\n')]);
    const bytes = Buffer.concat([Buffer.from(entry('packed').slice(0, -1)), binary, Buffer.from('\n')]);
    expect((await upload(gzipSync(bytes), { 'content-encoding': 'gzip' })).status).toBe(202);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const { state } = await manager.streams.info(system.streamName);
    const last = await manager.streams.getMessage(system.streamName, { seq: state.last_seq });
    expect(last?.json()).toMatchObject({
      topic: 'logs.web',
      event_id: 's=7af1;i=packed;t=660da8a536a40',
      timestamp: '2026-11-22T10:00:00.123456Z',
      source: 'h1',
      payload: { MESSAGE: 'line packed', DATA: { base64: 'AP8K' } },
    });
  });

  it('is refused where it is not a journal, and what stands before is kept', async () => {
    const before = await messages();
    const broken = await upload(`${entry('whole')}no field\n${entry('behind')}`);
    expect([broken.status, problemOf(broken).detail]).toEqual([
      400,
      expect.stringContaining('"no field" is not the name of a field'),
    ]);
    expect(await messages()).toBe(before + 1);
    expect((await upload(entry('whole').slice(0, -1))).status).toBe(400);
    expect((await upload(entry('x'), { 'content-type': 'application/x-ndjson' })).status).toBe(415);
    expect((await gateway.publish(entry('x'), HEADERS)).status).toBe(415);
    expect((await upload('')).status).toBeLessThan(500);
    expect(await messages()).toBe(before + 1);
  });
});

describe('an upload with a key', () => {
  it('sends it in the address, and is refused as long as the key does not cover a topic', async () => {
    const [all, some] = [newApiKeyToken(), newApiKeyToken()];
    const key = (token: string, topics: string[] | null) =>
      ({
        key_id: apiKeyIdOf(token) ?? '',
        name: 'j',
        hash: apiKeyHash(token),
        topics,
        scopes: ['publish'],
      }) as const;
    await insertApiKeys(system.pool, [
      { ...key(all, null), defaults: { topic: 'logs.all', source: 'unused' } },
      key(some, ['logs.db']),
    ]);
    const keyed = await RunningGateway.start({
      ...system.environment,
      SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true',
    });
    const basic = (token: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(`journal:${token}`).toString('base64')}`,
    });
    expect((await upload(entry('k'), {}, keyed)).status).toBe(401);
    const before = await messages();
    const two = entry('k1') + entry('k2').replace('web.service', 'db.service');
    const refused = await upload(two, basic(some), keyed);
    expect([refused.status, problemOf(refused)]).toMatchObject([
      422,
      {
        detail: expect.stringContaining('1 of 2 records were not taken'),
        rejected: [{ index: 0, topic: 'logs.web' }],
      },
    ]);
    expect(await messages()).toBe(before + 1);
    expect((await upload(two, basic(all), keyed)).status).toBe(202);
    expect(await messages()).toBe(before + 3);
  });
});
