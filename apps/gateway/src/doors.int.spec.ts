/** Which clients a gateway serves, how many at a time, and its answers to input that never becomes a request. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type Problem } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { dial, endOf, rawAnswer, readUntil } from './test/raw-socket.js';
import { event, problemOf, RunningGateway, type Answered } from './test/running-gateway.js';

const WITH_KEYS = { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const JSON_TYPE = 'Content-Type: application/json\r\n';
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

function open(gateway: RunningGateway, bytes = ''): Socket {
  const socket = dial(gateway.gateway.url);
  sockets.push(socket);
  if (bytes !== '') socket.write(bytes);
  return socket;
}

async function makeKey({ pool }: TestSystem): Promise<string> {
  const token = newApiKeyToken();
  const key = { key_id: apiKeyIdOf(token) ?? '', name: 'test', topics: null, hash: apiKeyHash(token) };
  await insertApiKeys(pool, [{ ...key, scopes: ['publish', 'read'] }]);
  return token;
}

/** Sends a request with its own Host, which fetch cannot do. */
async function getAs(gateway: RunningGateway, host: string, path = '/stats'): Promise<Answered> {
  return new Promise((resolve, reject) => {
    request(`${gateway.gateway.url}${path}`, { headers: { host } }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => {
        const headers = new Headers(answer.headers as Record<string, string>);
        resolve({ status: answer.statusCode ?? 0, headers, text });
      });
    })
      .on('error', reject)
      .end();
  });
}

describe('the host of a request', () => {
  it('is one of the gateway itself where no keys are asked for, or of the settings', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start({ ...environment, SEKALI_HTTP_HOSTS: 'gateway.example' });
    for (const host of ['localhost', 'localhost:99', '127.0.0.1', '[::1]:80', 'gateway.example:8080'])
      expect([host, (await getAs(gateway, host)).status]).toEqual([host, 200]);
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'evil.example:8080']) {
      for (const path of ['/stats', '/events', '/health', '/nothing', '/publish/']) {
        const refused = await getAs(gateway, host, path);
        expect([path, problemOf(refused).status]).toEqual([path, 421]);
        expect(refused.text).toContain('SEKALI_HTTP_HOSTS');
      }
    }
  });

  it('may be any host where keys are required', async () => {
    const system = await createTestSystem();
    await makeKey(system);
    const gateway = await RunningGateway.start({ ...system.environment, ...WITH_KEYS });
    expect((await getAs(gateway, 'gateway.example')).status).toBe(401);
    expect((await getAs(gateway, 'gateway.example', '/health/live')).status).toBe(200);
  });

  it.each([
    ['the same twice', 'Host: localhost\r\nHost: localhost\r\n'],
    ['two', 'Host: localhost\r\nhOST: evil.example\r\n'],
  ])('must be given exactly once: %s is refused', async (_, lines) => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment, false);
    const [text] = await endOf(open(gateway, `GET /stats HTTP/1.1\r\nConnection: close\r\n${lines}\r\n`));
    expect(rawAnswer(text).status).toBe(400);
  });

  it('keeps pages of other origins out: what needs no preflight publishes nothing', async () => {
    const { environment, pool } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    const types = [
      ...['text/plain', 'text/plain; charset=application/json', 'text/plain;application/json'],
      ...[
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=a',
        'text/plain, application/json',
      ],
      '',
    ];
    for (const type of types) {
      const head = `POST /publish HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n`;
      const body = JSON.stringify(event('1'));
      const typed = type === '' ? '' : `Content-Type: ${type}\r\n`;
      const bytes = `${head}${typed}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      expect([type, rawAnswer((await endOf(open(gateway, bytes)))[0]).status]).toEqual([type, 415]);
    }
    const preflight = await gateway.get('/publish', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.has('access-control-allow-origin')).toBe(false);
    expect((await pool.query('SELECT 1 FROM sekali.event_key')).rowCount).toBe(0);
  });
});

describe('a connection', () => {
  const QUICK = { SEKALI_HTTP_REQUEST_MS_MAX: '1200' };
  const CLOSE = { headers: { connection: 'close' } };
  const CLOSING = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const HALF = `POST /publish HTTP/1.1\r\nHost: localhost\r\n${JSON_TYPE}Content-Length: 100\r\n\r\n{`;

  it.each([
    ['no byte', '', 408],
    ['half of a head', 'GET /stats HTTP/1.1\r\nHost: loc', 408],
    ['half of a body', HALF, 408],
    ['what is not HTTP', '\u0000\r\n\r\n', 400],
    ['a head that is too large', `GET / HTTP/1.1\r\nX-A: ${'x'.repeat(30_000)}\r\n\r\n`, 431],
  ])('is closed by the gateway after %s, though the client leaves it open', async (_, bytes, status) => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start({ ...environment, ...QUICK }, false);
    const socket = open(gateway, bytes);
    const [text] = await endOf(socket);
    const answer = rawAnswer(text);
    expect(answer).toMatchObject({ status, headers: { connection: 'close', 'cache-control': 'no-store' } });
    expect(answer.headers['x-request-id']).toMatch(UUID);
    expect((JSON.parse(answer.body) as Problem)['request_id']).toBe(answer.headers['x-request-id']);
  });

  it('is refused with 503 at the bound, and accepted again when one has ended', async () => {
    const system = await createTestSystem();
    const token = await makeKey(system);
    const bounds = { SEKALI_HTTP_CONNECTIONS_MAX: '100', SEKALI_HTTP_CONNECTIONS_PER_ADDRESS_MAX: '5' };
    const gateway = await RunningGateway.start({ ...system.environment, ...WITH_KEYS, ...bounds }, false);
    const idle = Array.from({ length: 5 }, () => open(gateway));
    await Promise.all(idle.map(async (socket) => once(socket, 'connect')));
    const answer = rawAnswer((await endOf(open(gateway, CLOSING)))[0]);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '2', connection: 'close' } });
    idle[0]?.destroy();
    const headers = { 'x-api-key': token, connection: 'close' };
    await waitFor(async () => (await gateway.get('/stats', { headers })).status === 200, {
      timeoutMs: 5_000,
      describe: 'room again',
    });
  });

  it('is refused beyond the bound on all connections; this machine has some more', async () => {
    const { environment } = await createTestSystem();
    const settings = { ...environment, SEKALI_HTTP_CONNECTIONS_MAX: '10' };
    const gateway = await RunningGateway.start(settings, false);
    const idle = Array.from({ length: 10 + 16 }, () => open(gateway));
    await Promise.all(idle.map(async (socket) => once(socket, 'connect')));
    // An accepted connection would wait for a request.
    const answer = rawAnswer((await endOf(open(gateway, CLOSING)))[0]);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '2', connection: 'close' } });
    idle[0]?.destroy();
    await waitFor(async () => (await gateway.get('/health/live', CLOSE)).status === 200, {
      timeoutMs: 5_000,
      describe: 'room again',
    });
  });

  it('does not count for an address that trusted proxies share; the requests of each client do', async () => {
    const { environment } = await createTestSystem();
    const settings = {
      SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS: 'true',
      SEKALI_HTTP_TRUST_PROXY: 'loopback',
      SEKALI_HTTP_CONNECTIONS_PER_ADDRESS_MAX: '2',
    };
    const gateway = await RunningGateway.start({ ...environment, ...settings });
    const from = (client: string): string =>
      `POST /publish HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${client}\r\n${JSON_TYPE}Content-Length: 9\r\n\r\n`;
    const waiting = Array.from({ length: 2 }, () => open(gateway, from('203.0.113.1')));
    for (const socket of waiting) socket.write('{');
    const asked = async (client: string): Promise<number> =>
      (await gateway.get('/events', { headers: { 'x-forwarded-for': client } })).status;
    await waitFor(async () => (await asked('203.0.113.1')) === 503, {
      timeoutMs: 10_000,
      describe: 'the client with two requests under way to be refused a third',
    });
    expect(await asked('203.0.113.2')).toBe(200);
    const live = await gateway.get('/health/live', { headers: { 'x-forwarded-for': '203.0.113.1' } });
    expect(live.status).toBe(200);
    for (const socket of waiting) socket.destroy();
    await waitFor(async () => (await asked('203.0.113.1')) === 200, {
      timeoutMs: 10_000,
      describe: 'room again',
    });
  });

  it('never has more requests under way than the bound, though it sends them without waiting', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start({ ...environment, SEKALI_HTTP_CONNECTIONS_MAX: '10' });
    const socket = open(gateway);
    const one = 'GET /stats HTTP/1.1\r\nHost: localhost\r\n';
    socket.write(`${one}\r\n`.repeat(40) + `${one}Connection: close\r\n\r\n`);
    const statuses = [...(await endOf(socket))[0].matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    expect(statuses).toHaveLength(41);
    expect(new Set(statuses)).toEqual(new Set(['200', '503']));
  });
});

describe('Expect: 100-continue', () => {
  const ask = (lines: string): string =>
    `POST /publish HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n${lines}\r\n`;

  it('is met when there is room for the body', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    const body = JSON.stringify(event('1'));
    const socket = open(gateway, ask(`${JSON_TYPE}Content-Length: ${body.length}\r\n`));
    expect(await readUntil(socket, /\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write(body);
    const answer = await readUntil(socket, /"results"/);
    expect(answer).toMatch(/^HTTP\/1\.1 202 /);
    expect(answer).toContain('Connection: keep-alive');
  });

  it.each([
    ['a body that is too large', `${JSON_TYPE}Content-Length: 99999999\r\n`, 413],
    ['another type', 'Content-Type: text/plain\r\nContent-Length: 5\r\n', 415],
    ['no type', 'Content-Length: 5\r\n', 415],
    ['a coding', `${JSON_TYPE}Content-Encoding: compress\r\nContent-Length: 5\r\n`, 415],
    ['another host', `${JSON_TYPE}Content-Length: 5\r\nHost: evil.example\r\n`, 400],
  ])('is answered by the refusal alone: %s', async (_, lines, status) => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment, false);
    const [text] = await endOf(open(gateway, ask(lines)));
    expect(rawAnswer(text)).toMatchObject({ status, headers: { connection: 'close' } });
  });

  it.each([
    ['no key', '', 401],
    ['a route that is not there', 'POST /nothing', 404],
    ['a method that is not taken', 'POST /stats', 405],
  ])('is answered by the refusal alone: %s', async (_, line, status) => {
    const system = await createTestSystem();
    const token = await makeKey(system);
    const gateway = await RunningGateway.start({ ...system.environment, ...WITH_KEYS }, false);
    const key = line === '' ? '' : `X-API-Key: ${token}\r\n`;
    const bytes = ask(`${key}${JSON_TYPE}Content-Length: 5\r\n`).replace(
      /^POST \/publish/,
      (was) => line || was,
    );
    expect(rawAnswer((await endOf(open(gateway, bytes)))[0]).status).toBe(status);
  });

  it('is answered by 503 where there is no room for the body', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    const first = open(gateway, ask(`${JSON_TYPE}Content-Length: 12000000\r\n`));
    await readUntil(first, /100 Continue/);
    first.write(Buffer.alloc(8_000_000, 0x20));
    const asked = async (): Promise<string> => {
      const socket = open(gateway, ask(`${JSON_TYPE}Content-Length: 6000000\r\n`));
      return readUntil(socket, /\r\n\r\n/).finally(() => socket.destroy());
    };
    await waitFor(async () => (await asked()).startsWith('HTTP/1.1 503 '), {
      timeoutMs: 10_000,
      describe: 'the room to be taken',
    });
  });

  it('is the only expectation that is met; the answer to another names the request', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment, false);
    const bytes = 'GET /stats HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine\r\nExpect: more\r\n\r\n';
    const answer = rawAnswer((await endOf(open(gateway, bytes)))[0]);
    expect(answer).toMatchObject({
      status: 417,
      headers: { 'x-request-id': 'mine', 'cache-control': 'no-store' },
    });
    expect((JSON.parse(answer.body) as Problem)['request_id']).toBe('mine');
  });
});

describe('answers', () => {
  it('must not be cached', async () => {
    const system = await createTestSystem();
    const token = await makeKey(system);
    const gateway = await RunningGateway.start({ ...system.environment, ...WITH_KEYS });
    for (const path of ['/events', '/events/a/1', '/stats', '/events?limit=x', '/nothing', '/health']) {
      const answer = await gateway.get(path, { headers: { 'x-api-key': token } });
      expect([path, answer.headers.get('cache-control')]).toEqual([path, 'no-store']);
    }
    expect((await gateway.get('/events')).headers.get('cache-control')).toBe('no-store');
  });

  it('are the same with a slash behind the route', async () => {
    const { environment } = await createTestSystem();
    const gateway = await RunningGateway.start(environment);
    for (const path of [
      '/events/',
      '/events/?limit=1',
      '/stats/',
      '/health/',
      '/health/live/',
      '/health/ready/',
    ])
      expect([path, (await gateway.get(path)).status]).toEqual([path, 200]);
    const body = JSON.stringify(event('1'));
    const headers = { 'content-type': 'application/json' };
    expect((await gateway.get('/publish/', { method: 'POST', headers, body })).status).toBe(202);
    expect((await gateway.get('/publish/')).status).toBe(405);
    // The slash is part of the event's id.
    expect((await gateway.get('/events/orders.created/1/')).status).toBe(404);
  });
});

describe('requests without a valid key', () => {
  it('are refused with 429 when they are too many, but not those with one', async () => {
    const system = await createTestSystem();
    const token = await makeKey(system);
    const gateway = await RunningGateway.start({ ...system.environment, ...WITH_KEYS });
    const guess = async (): Promise<Answered> =>
      gateway.get('/stats', { headers: { 'x-api-key': newApiKeyToken() } });
    const statuses: number[] = [];
    for (let n = 0; n < 100; n += 1) statuses.push((await guess()).status);
    expect(new Set(statuses)).toEqual(new Set([401]));
    const refused = await guess();
    expect(problemOf(refused).type).toBe('urn:sekali:problem:too-many-requests');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await gateway.get('/stats', { headers: { 'x-api-key': token } })).status).toBe(200);
  });
});
