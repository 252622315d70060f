/** The protections in front of the routes: rates, headers, origins, TLS, ids, and bounds on slow arrivals. */
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { CERTIFICATE, CERTIFICATE_KEY } from './test/certificate.js';
import { dial, endOf, readUntil } from './test/raw-socket.js';
import { event, problemOf, RunningGateway } from './test/running-gateway.js';

async function makeKey({ pool }: TestSystem): Promise<{ authorization: string }> {
  const token = newApiKeyToken();
  const key_id = apiKeyIdOf(token) ?? '';
  const scopes = ['publish', 'read'] as const;
  await insertApiKeys(pool, [{ key_id, name: 'test', scopes, topics: null, hash: apiKeyHash(token) }]);
  return { authorization: `Bearer ${token}` };
}

const WITH_KEYS = { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
const SECURITY_HEADERS = [
  'x-content-type-options',
  'x-frame-options',
  'content-security-policy',
  'referrer-policy',
];

describe('a rate', () => {
  it('is counted for each key, shown in each answer, and refused with 429 when it is exceeded', async () => {
    const system = await createTestSystem();
    const [one, other] = [await makeKey(system), await makeKey(system)];
    const bound = { SEKALI_HTTP_REQUESTS_PER_SECOND_MAX: '5' };
    const gateway = await RunningGateway.start({ ...system.environment, ...WITH_KEYS, ...bound });
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => gateway.get('/stats', { headers: one })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    // A second may start in the middle of them.
    expect(refused.length).toBeGreaterThan(1);
    expect(problemOf(refused[0] ?? never())).toMatchObject({
      status: 429,
      type: 'urn:sekali:problem:too-many-requests',
    });
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
    for (const { headers } of answers) expect(headers.get('ratelimit-limit')).toBe('5');
    expect(refused[0]?.headers.get('ratelimit-remaining')).toBe('0');
    expect((await gateway.get('/stats', { headers: other })).status).toBe(200);
    const health = await Promise.all(Array.from({ length: 20 }, () => gateway.get('/health/live')));
    expect(new Set(health.map(({ status }) => status))).toEqual(new Set([200]));
    await waitFor(async () => (await gateway.get('/stats', { headers: one })).status === 200, {
      timeoutMs: 5_000,
      describe: 'the next second',
    });
  });

  it('is bounded with keys and not without, unless it is set; then by address', async () => {
    const system = await createTestSystem();
    const key = await makeKey(system);
    const [guarded, open, bounded] = await Promise.all([
      RunningGateway.start({ ...system.environment, ...WITH_KEYS }),
      RunningGateway.start(system.environment),
      RunningGateway.start({ ...system.environment, SEKALI_HTTP_REQUESTS_PER_SECOND_MAX: '3' }),
    ]);
    expect((await guarded.get('/stats', { headers: key })).headers.get('ratelimit-limit')).toBe('1000');
    expect((await open.get('/stats')).headers.has('ratelimit-limit')).toBe(false);
    const answers = await Promise.all(Array.from({ length: 10 }, () => bounded.get('/stats')));
    expect(answers.some(({ status }) => status === 429)).toBe(true);
  });

  it('counts the client behind a trusted proxy, and trusts no other sender', async () => {
    const system = await createTestSystem();
    const open = {
      SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS: 'true',
      SEKALI_HTTP_REQUESTS_PER_SECOND_MAX: '2',
    };
    const trusting = await RunningGateway.start({
      ...system.environment,
      ...open,
      SEKALI_HTTP_TRUST_PROXY: 'loopback',
    });
    const doubting = await RunningGateway.start({
      ...system.environment,
      ...open,
      SEKALI_HTTP_TRUST_PROXY: '10.0.0.0/8',
    });
    const statuses = async (gateway: RunningGateway): Promise<Set<number>> => {
      const from = (n: number): RequestInit => ({ headers: { 'x-forwarded-for': `203.0.113.${n}` } });
      return new Set(
        (await Promise.all(Array.from({ length: 10 }, (_, n) => gateway.get('/events', from(n))))).map(
          ({ status }) => status,
        ),
      );
    };
    expect(await statuses(trusting)).toEqual(new Set([200]));
    expect(await statuses(doubting)).toContain(429);
  });
});

describe('headers', () => {
  it('for browsers are in every answer where keys are asked for, in none of a local system', async () => {
    const system = await createTestSystem();
    await makeKey(system);
    const guarded = await RunningGateway.start({ ...system.environment, ...WITH_KEYS });
    const open = await RunningGateway.start(system.environment);
    for (const name of SECURITY_HEADERS) {
      expect([name, (await guarded.get('/stats')).headers.has(name)]).toEqual([name, true]);
      expect([name, (await open.get('/stats')).headers.has(name)]).toEqual([name, false]);
    }
  });

  it('admit no other origins than those of the settings', async () => {
    const system = await createTestSystem();
    const key = await makeKey(system);
    const origins = { SEKALI_HTTP_CORS_ORIGINS: 'https://a.example, https://b.example' };
    const listed = await RunningGateway.start({ ...system.environment, ...WITH_KEYS, ...origins });
    const none = await RunningGateway.start({ ...system.environment, ...WITH_KEYS });
    const preflight = async (gateway: RunningGateway, origin: string): Promise<[number, string | null]> => {
      const headers = {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      };
      const answer = await gateway.get('/publish', { method: 'OPTIONS', headers });
      return [answer.status, answer.headers.get('access-control-allow-origin')];
    };
    expect(await preflight(listed, 'https://b.example')).toEqual([204, 'https://b.example']);
    expect((await preflight(listed, 'https://c.example'))[1]).not.toBe('https://c.example');
    expect(await preflight(none, 'https://a.example')).toEqual([401, null]);
    const answer = await listed.get('/events', { headers: { ...key, origin: 'https://a.example' } });
    expect(answer.headers.get('access-control-expose-headers')).toContain('link');
  });

  it('keep a well-formed request id, and create one otherwise, in problems too', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment);
    const idOf = async (given: string): Promise<string | null> =>
      (await gateway.get('/stats', { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await idOf('order-4711.a_b')).toBe('order-4711.a_b');
    const made = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
    for (const wrong of ['', 'a b', '<script>', 'x'.repeat(129), '{"a":1}'])
      expect(await idOf(wrong)).toMatch(made);
    for (const path of ['/events?limit=x', '/nothing', '/%zz']) {
      const answer = await gateway.get(path, { headers: { 'x-request-id': 'mine' } });
      expect([path, problemOf(answer)['request_id'], answer.headers.get('x-request-id')]).toEqual([
        path,
        'mine',
        'mine',
      ]);
    }
  });
});

describe('TLS', () => {
  it('is spoken with the certificate of the settings', async () => {
    const system = await createTestSystem();
    const folder = mkdtempSync(join(tmpdir(), 'sekali-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    writeFileSync(key, CERTIFICATE_KEY);
    writeFileSync(cert, CERTIFICATE);
    const files = { SEKALI_HTTP_TLS_CERT_FILE: cert, SEKALI_HTTP_TLS_KEY_FILE: key };
    const gateway = await RunningGateway.start({ ...system.environment, ...files }, false);
    expect(gateway.gateway.url).toMatch(/^https:/);
    const status = await new Promise((resolve, reject) => {
      const options = { rejectUnauthorized: false };
      request(`${gateway.gateway.url}/health/live`, options, (answer) => resolve(answer.statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
    await expect(fetch(gateway.gateway.url.replace('https', 'http'))).rejects.toThrow();
    const wrong = { ...files, SEKALI_HTTP_TLS_KEY_FILE: join(folder, 'none.pem') };
    await expect(RunningGateway.start({ ...system.environment, ...wrong }, false)).rejects.toThrow('ENOENT');
  });
});

describe('a request that does not come to its end', () => {
  const QUICK = { SEKALI_HTTP_REQUEST_MS_MAX: '1200' };
  const HEAD =
    'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n';

  it.each([
    ['a head without an end', 'GET /stats HTTP/1.1\r\nHost: localhost\r\nX-A: '],
    ['a body without an end', `${HEAD}\r\n{"topic":`],
    ['a line without an end', 'GET /'],
  ])('is ended with 408: %s', async (_, bytes) => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start({ ...system.environment, ...QUICK }, false);
    const socket = dial(gateway.gateway.url);
    socket.write(bytes);
    // A byte from time to time does not extend the time.
    const drip = setInterval(() => socket.write('x'), 100);
    const [answer, elapsedMs] = await endOf(socket).finally(() => {
      clearInterval(drip);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('application/problem+json');
    expect(elapsedMs).toBeLessThan(6_000);
    expect((await gateway.get('/health/live')).status).toBe(200);
  });

  it('is ended sooner when it has no whole head yet: a body has six times as long', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(
      { ...system.environment, SEKALI_HTTP_REQUEST_MS_MAX: '18000' },
      false,
    );
    const [head, body] = [dial(gateway.gateway.url), dial(gateway.gateway.url)];
    body.write(`${HEAD}\r\n{"topic":`);
    head.write('GET /stats HTTP/1.1\r\nHost: localhost\r\nX-A: ');
    const answered = readUntil(body, /\r\n\r\n/);
    const first = await Promise.race([
      endOf(head).then(([text]) => ['head', text]),
      answered.then(() => ['body']),
    ]);
    expect(first).toEqual(['head', expect.stringMatching(/^HTTP\/1\.1 408 /)]);
    body.write(' '.repeat(91));
    // It arrived in time, and is not JSON.
    expect(await answered).toMatch(/^HTTP\/1\.1 400 /);
    body.destroy();
  });

  it('is not ended when it arrived while the gateway itself did not run', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start({ ...system.environment, ...QUICK }, false);
    const socket = dial(gateway.gateway.url);
    await once(socket, 'connect');
    // Connections are accepted in order. From then on, its time counts.
    await gateway.get('/health/live', { headers: { connection: 'close' } });
    socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    // As on a busy machine: nothing of this process runs, for longer than a head may take.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
    expect((await endOf(socket))[0]).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    [
      'a head that is too large',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ${'x'.repeat(30_000)}\r\n\r\n`,
      431,
    ],
    ['two lengths', `${HEAD}Content-Length: 5\r\n\r\n{}`, 400],
    ['a length and chunks', `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ])('is refused at once: %s', async (_, bytes, status) => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment, false);
    const socket = dial(gateway.gateway.url);
    socket.write(bytes);
    expect((await endOf(socket))[0]).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it('is refused when it unpacks to more than a body may have, or has another encoding than it says', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment, false);
    const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20));
    const expected = { gzip: 413, br: 400, deflate: 400, 'gzip, gzip': 415, unknown: 415 };
    for (const [encoding, status] of Object.entries(expected)) {
      const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
      const answer = await gateway.get('/publish', { method: 'POST', headers, body: bomb });
      expect([encoding, problemOf(answer).status]).toEqual([encoding, status]);
    }
    expect([202, 503]).toContain(
      (await gateway.publish(event('1'), { 'content-encoding': 'identity' })).status,
    );
  });
});

function never(): never {
  throw new Error('no request was refused');
}
