/**
 * A gateway process with the memory that it has in production, and clients that try to fill it. None of them may end
 * the process, and no other client may have to wait.
 */
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, startApp, waitFor, type App, type TestSystem } from '#testing';
import { dial, endOf, rawAnswer, readUntil, hasRoomForBody } from './test/raw-socket.js';
import { event } from './test/running-gateway.js';

/** The heap that V8 takes in a container of 512 MiB. */
const HEAP = ['--max-old-space-size=256'];
const MB = 1_000_000;
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function startGateway(
  environment: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, string>> = {},
): Promise<App> {
  const app = await startApp('gateway', { ...environment, ...settings }, { nodeArguments: HEAP });
  await waitFor(async () => (await fetch(`${app.url}/health/ready`)).ok, {
    timeoutMs: 20_000,
    describe: app.url,
  });
  return app;
}

async function publish(
  app: App,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  const init = { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } };
  const answer = await fetch(`${app.url}/publish`, init);
  return { status: answer.status, text: await answer.text() };
}

async function makeKey({ pool }: TestSystem): Promise<string> {
  const token = newApiKeyToken();
  const key = { key_id: apiKeyIdOf(token) ?? '', name: 'test', topics: null, hash: apiKeyHash(token) };
  await insertApiKeys(pool, [{ ...key, scopes: ['publish', 'read'] }]);
  return token;
}

function open(app: App, bytes: string): Socket {
  const socket = dial(app.url);
  sockets.push(socket);
  socket.write(bytes);
  return socket;
}

const names = (count: number): string => Array.from({ length: count }, (_, n) => `"n${n}":1`).join();
const head = (length: number, more = ''): string =>
  `POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}Content-Length: ${length}\r\n\r\n`;

/** About a megabyte of events. Their ids are the same each time. */
const LARGE = JSON.stringify(
  Array.from({ length: 1_000 }, (_, n) => event(`large-${n}`, { payload: { text: 'x'.repeat(900) } })),
);

describe('a body that is meant to be too much', () => {
  it('is refused within the memory there is, and others are answered before it', async () => {
    const { environment } = await createTestSystem();
    const app = await startGateway(environment);
    const bodies: [name: string, body: string, statuses: number[]][] = [
      ['brackets', '['.repeat(12 * MB), [400, 422]],
      ['brackets that are closed', '['.repeat(8 * MB) + ']'.repeat(8 * MB), [422]],
      ['names', `{${names(800_000)}}`, [422]],
      ['names in a payload', JSON.stringify(event('1')).replace('"amount":1', names(800_000)), [422]],
      [
        'names in events',
        `[${Array(60)
          .fill(`{${names(20_000)}}`)
          .join()}]`,
        [422],
      ],
      ['empty objects', `[${'{},'.repeat(5 * MB)}{}]`, [413]],
      ['empty arrays', `[${'[],'.repeat(5 * MB)}[]]`, [413]],
      ['as many empty objects as may be', `{"events":[${'{},'.repeat(9_999)}{}]}`, [422]],
      ['white space', ' '.repeat(16 * MB), [400]],
      ['a number', '1'.repeat(16 * MB), [422]],
      ['a string', `"${'\\"'.repeat(7 * MB)}"`, [422]],
      ['two-byte text', JSON.stringify(event('1', { payload: { a: 'Ω'.repeat(7 * MB) } })), [422]],
      [
        'events of the largest size',
        `[${Array(60)
          .fill(JSON.stringify(event('1', { payload: { a: 'x'.repeat(270_000) } })))
          .join()}]`,
        [422],
      ],
    ];
    for (const [name, body, statuses] of bodies) {
      const order: string[] = [];
      const answer = publish(app, body).finally(() => order.push('large'));
      const live = fetch(`${app.url}/health/live`).finally(() => order.push('live'));
      expect([name, (await live).status, statuses.includes((await answer).status)]).toEqual([
        name,
        200,
        true,
      ]);
      // A short body is answered as soon as it has come, so neither of the two has to be the first.
      const isFirst = body.length < MB || order[0] === 'live';
      expect([name, isFirst]).toEqual([name, true]);
    }
    const together = await Promise.all(bodies.map(async ([, body]) => (await publish(app, body)).status));
    expect(together.filter((status) => ![400, 413, 422, 503].includes(status))).toEqual([]);
    expect((await publish(app, JSON.stringify(event('last')))).status).toBe(202);
  });

  it('has a short answer about events that are all invalid', async () => {
    const { environment } = await createTestSystem();
    const app = await startGateway(environment);
    const { status, text } = await publish(app, `[${'{},'.repeat(9_999)}{}]`);
    const { rejected } = JSON.parse(text) as { rejected: { index: number; errors: unknown[] }[] };
    expect([status, rejected.length, rejected.at(-1)?.index]).toEqual([422, 10_000, 9_999]);
    expect([rejected[0]?.errors.length, rejected[9_999]?.errors.length]).toEqual([5, 1]);
    const many = Array.from({ length: 100 }, () => open(app, head(30_001) + `[${'{},'.repeat(9_999)}{}]`));
    // These clients do not read their answers. Others are served meanwhile.
    for (const socket of many) socket.pause();
    for (let n = 0; n < 20; n += 1)
      expect((await publish(app, JSON.stringify(event(`meanwhile-${n}`)))).status).toBe(202);
  });

  it('takes memory for its length only, though it comes one byte at a time', async () => {
    const { environment } = await createTestSystem();
    const app = await startGateway(environment);
    const chunk = '1\r\n[\r\n'.repeat(60_000);
    const chunked =
      'POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    // As separate chunks, they would take 20 MB each.
    const many = Array.from({ length: 60 }, () => open(app, chunked + chunk));
    await Promise.all(
      many.map(async (socket) => new Promise((resolve) => socket.write('1\r\n[\r\n', resolve))),
    );
    expect((await publish(app, JSON.stringify(event('meanwhile')))).status).toBe(202);
    const last = many.map((socket) => {
      socket.write('0\r\n\r\n');
      return readUntil(socket, /\r\n\r\n/);
    });
    for (const text of await Promise.all(last)) expect(rawAnswer(text).status).toBe(400);
  });
});

describe('connections that are meant to be too many', () => {
  it('are refused beyond a bound, and closed when their time is over', async () => {
    const { environment } = await createTestSystem();
    const app = await startGateway(environment, { SEKALI_HTTP_REQUEST_MS_MAX: '60000' });
    const unfinished = `GET /stats HTTP/1.1\r\nHost: localhost\r\nX-A: ${'x'.repeat(20_000)}`;
    const ends: Promise<[string, number]>[] = [];
    for (let n = 0; n < 3_000; n += 1) {
      ends.push(endOf(open(app, unfinished)));
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const statuses = (await Promise.all(ends)).map(([text]) =>
      text === '' ? 'closed' : rawAnswer(text).status,
    );
    expect(statuses.filter((status) => ![408, 503, 'closed'].includes(status))).toEqual([]);
    expect(statuses.filter((status) => status === 408).length).toBeGreaterThanOrEqual(1_000);
    expect(statuses.filter((status) => status === 408).length).toBeLessThan(2_000);
    expect(statuses).toContain(503);
    expect((await publish(app, JSON.stringify(event('after')))).status).toBe(202);
    expect(app.output()).toContain('connections were refused');
  });
});

describe('a body that holds room and does not move', () => {
  it('is cut off, and leaves room for the large bodies of other keys meanwhile', async () => {
    const system = await createTestSystem();
    const [slow, other] = [await makeKey(system), await makeKey(system)];
    const app = await startGateway(system.environment, { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' });
    const socket = open(app, head(16_000_000, `X-API-Key: ${slow}\r\n`));
    await new Promise((resolve) => socket.write(Buffer.alloc(12_600_000, 0x20), resolve));
    // At first the body arrives steadily.
    let drip = setInterval(() => socket.write(Buffer.alloc(20_000, 0x20)), 500);
    try {
      const isFull = async (): Promise<boolean> =>
        !(await hasRoomForBody(app.url, LARGE.length, `X-API-Key: ${slow}\r\n`));
      await waitFor(isFull, { timeoutMs: 20_000, describe: 'its own key to have no more room' });
      expect((await publish(app, LARGE, { 'x-api-key': slow })).status).toBe(503);
      expect((await publish(app, LARGE, { 'x-api-key': other })).status).toBe(202);
      clearInterval(drip);
      drip = setInterval(() => socket.write(' '), 1_000);
      const [text] = await endOf(socket);
      expect(rawAnswer(text)).toMatchObject({ status: 408, headers: { connection: 'close' } });
      expect(text).toContain('urn:sekali:problem:too-slow');
      expect((await publish(app, LARGE, { 'x-api-key': slow })).status).toBe(202);
    } finally {
      clearInterval(drip);
    }
  });
});
