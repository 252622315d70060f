/** Bodies of lines: read while they arrive, each line for itself. */
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type Problem, type PublishResponse } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, waitFor, TcpProxy, type TestSystem } from '#testing';
import { hasRoomForBody } from '../test/raw-socket.js';
import { event, problemOf, RunningGateway, type Answered } from '../test/running-gateway.js';

const NDJSON = { 'content-type': 'application/x-ndjson' };
const proxies: TcpProxy[] = [];
let system: TestSystem;
let gateway: RunningGateway;

beforeAll(async () => {
  system = await createTestSystem();
  gateway = await RunningGateway.start(system.environment);
});

afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

type LineAnswer = PublishResponse &
  Problem & { invalid: number; unavailable: number; lines: number; results_left_out?: number };

const answerOf = ({ text }: Answered): LineAnswer => JSON.parse(text) as LineAnswer;
const line = (id: string, members: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(event(id, members));

/** Starts a request whose body is written bit by bit. */
function begin(of: RunningGateway, headers: Readonly<Record<string, string>> = {}): ClientRequest {
  const url = new URL('/publish', of.gateway.url);
  const request = httpRequest(url, { method: 'POST', headers: { ...NDJSON, ...headers } });
  request.on('error', () => undefined);
  request.flushHeaders();
  return request;
}

async function answerTo(request: ClientRequest): Promise<[status: number, answer: LineAnswer]> {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return [response.statusCode ?? 0, JSON.parse(await textOf(response)) as LineAnswer];
}

async function messages({ connection, streamName }: TestSystem): Promise<number> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  return (await manager.streams.info(streamName)).state.messages;
}

/** The bodies of the last messages of the stream. */
async function lastBodies(count: number): Promise<string[]> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { state } = await manager.streams.info(system.streamName);
  const seqs = Array.from({ length: count }, (_, n) => state.last_seq - count + 1 + n);
  return Promise.all(
    seqs.map(async (seq) => (await manager.streams.getMessage(system.streamName, { seq }))?.string() ?? ''),
  );
}

describe('lines', () => {
  it.each(['application/x-ndjson', 'application/jsonl', 'application/stream+json; charset=utf-8'])(
    'are taken as %s, whatever the line ends are',
    async (type) => {
      const id = type.slice(12, 20);
      const body = `\uFEFF${line(`${id}-1`)}\r\n\r\n  \n${line(`${id}-2`)}\n\t${line(`${id}-1`)} `;
      const answer = await gateway.publish(body, { 'content-type': type });
      expect([answer.status, answerOf(answer)]).toMatchObject([
        202,
        { accepted: 3, duplicates: 1, invalid: 0, lines: 3 },
      ]);
      expect(answerOf(answer).results.map(({ index, status }) => [index, status])).toEqual([
        [0, 'accepted'],
        [3, 'accepted'],
        [4, 'duplicate'],
      ]);
    },
  );

  it('harm no other when they are bad', async () => {
    const bad = [
      Buffer.from('{"topic":'),
      Buffer.from([0x7b, 0xff, 0x7d]),
      Buffer.from('[1]'),
      Buffer.from('"text"'),
      Buffer.from(`${line('bad')} ${line('bad')}`),
      Buffer.from(line('bad', { topic: 'a b' })),
      Buffer.from(`{"a":"${'x'.repeat(300_000)}"}`),
      Buffer.from(`${'['.repeat(600)}${']'.repeat(600)}`),
      Buffer.from(`{${Array.from({ length: 100 }, (_, n) => `"n${n}":1`).join()}}`),
      Buffer.from('{"a":1e999999,}'),
    ];
    const parts = bad.flatMap((bytes, n) => [bytes, Buffer.from(`\n${line(`good-${n}`)}\n`)]);
    const answer = await gateway.publish(Buffer.concat(parts), NDJSON);
    const { accepted, invalid, rejected, results } = answerOf(answer);
    expect([answer.status, accepted, invalid]).toEqual([202, bad.length, bad.length]);
    expect(rejected.map(({ index }) => index)).toEqual(bad.map((_, n) => 2 * n));
    expect(results.map(({ index }) => index)).toEqual(parts.map((_, n) => n));
    for (const { errors } of rejected) expect(errors?.[0]?.message).not.toBe('');
  });

  it('are refused when there is none, or none is valid', async () => {
    for (const body of ['', '\n \n\r\n'])
      expect(problemOf(await gateway.publish(body, NDJSON)).status).toBe(422);
    const answer = await gateway.publish('{}\nx', NDJSON);
    expect(problemOf(answer)).toMatchObject({ status: 422, accepted: 0, invalid: 2 });
    expect(answerOf(answer).rejected).toHaveLength(2);
  });

  it('come in any number, compressed and in parts; the answer is bounded and its figures are complete', async () => {
    const before = await messages(system);
    const count = 20_000;
    const body = Array.from({ length: count }, (_, n) => (n % 1_000 === 7 ? '{' : line(`many-${n}`))).join(
      '\n',
    );
    const request = begin(gateway, { 'content-encoding': 'gzip' });
    const packed = zlib.gzipSync(body);
    for (let at = 0; at < packed.length; at += 10_007) request.write(packed.subarray(at, at + 10_007));
    const answering = answerTo(request);
    request.end();
    const [status, answer] = await answering;
    expect(status).toBe(202);
    expect(answer).toMatchObject({ accepted: count - 20, invalid: 20, unavailable: 0, lines: count });
    expect(answer.rejected).toHaveLength(20);
    expect(answer.results.length + (answer.results_left_out ?? 0)).toBe(count - (20 - inResults(answer)));
    expect(JSON.stringify(answer.results).length).toBeLessThan(800_000);
    expect((await messages(system)) - before).toBe(count - 20);
  });

  it('are published at once, before the request ends', async () => {
    const before = await messages(system);
    const request = begin(gateway);
    request.write(`${line('early-1')}\n${line('early-2')}\n`);
    await waitFor(async () => (await messages(system)) === before + 2, {
      timeoutMs: 10_000,
      describe: 'the lines to be in the stream',
    });
    const answering = answerTo(request);
    request.end(line('early-3'));
    expect(await answering).toMatchObject([202, { accepted: 3 }]);
  });

  it('stay when the client goes away in the middle, and their room is returned', async () => {
    const before = await messages(system);
    const request = begin(gateway);
    const padding = { payload: { text: 'x'.repeat(900) } };
    for (let n = 0; n < 200; n += 1) request.write(`${line(`gone-${n}`, padding)}\n`);
    request.write('{"topic":"orders.cre');
    await waitFor(async () => (await messages(system)) === before + 200, {
      timeoutMs: 10_000,
      describe: 'the lines to be in the stream',
    });
    request.destroy();
    await waitFor(async () => hasRoomForBody(gateway.gateway.url, 12_000_000), {
      timeoutMs: 10_000,
      describe: 'the room to be returned',
    });
    expect(await messages(system)).toBe(before + 200);
  });

  it('may arrive for longer than other requests, while they keep their pace', async () => {
    const slow = await RunningGateway.start({ ...system.environment, SEKALI_HTTP_REQUEST_MS_MAX: '1000' });
    const request = begin(slow);
    const answering = answerTo(request);
    const padding = { payload: { text: 'x'.repeat(9_000) } };
    const until = performance.now() + 3_500;
    let sent = 0;
    await waitFor(
      () => {
        for (let n = 0; n < 10; n += 1) request.write(`${line(`long-${sent++}`, padding)}\n`);
        return performance.now() > until;
      },
      { timeoutMs: 20_000, describe: 'the time of other requests to be over', intervalMs: 100 },
    );
    request.end();
    expect(await answering).toMatchObject([202, { accepted: sent }]);
  });
});

/** How many of the invalid lines are among the results. */
function inResults({ results }: LineAnswer): number {
  return results.filter(({ status }) => status === 'invalid').length;
}

describe('lines that the brokers do not take', () => {
  it('hold up the client, and are 503 in the end; all of them may be sent again', async () => {
    const own = await createTestSystem();
    for (const url of own.natsUrls) proxies.push(await TcpProxy.start(Number(new URL(url).port)));
    const urls = own.natsUrls.map((url, n) => {
      const address = new URL(url);
      address.port = String(proxies[n]?.port);
      return address.href;
    });
    const held = await RunningGateway.start({
      ...own.environment,
      SEKALI_NATS_URLS: urls.join(','),
      SEKALI_PUBLISH_BUDGET_MS: '4000',
    });
    const count = 30_000;
    const body = Array.from({ length: count }, (_, n) =>
      line(`held-${n}`, { payload: { text: 'x'.repeat(500) } }),
    );
    for (const proxy of proxies) proxy.hang();
    const request = begin(held);
    const answering = answerTo(request);
    request.write(`${body.join('\n')}\n`);
    const heldUpAt = performance.now() + 2_000;
    await waitFor(() => performance.now() > heldUpAt, {
      timeoutMs: 5_000,
      describe: 'the gateway to have read all that it reads',
    });
    // What the kernel and the gateway hold is far less than the 20 MB of the request.
    expect(request.socket?.writableLength).toBeGreaterThan(10_000_000);
    const [status, answer] = await answering;
    expect([status, answer.accepted, answer.unavailable]).toEqual([503, 0, expect.any(Number)]);
    expect(answer.lines).toBeLessThan(count / 2);
    expect(answer.detail).toContain('again');
    request.destroy();
    const other = await RunningGateway.start(own.environment);
    const again = await other.publish(body.join('\n'), NDJSON);
    expect(answerOf(again)).toMatchObject({ accepted: count, unavailable: 0 });
    expect(await messages(own)).toBe(count);
  });
});

describe('records', () => {
  const headers = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
    ...NDJSON,
    'sekali-topic': 'logs.records',
    ...more,
  });
  const ids = (answered: Answered): (string | undefined)[] =>
    answerOf(answered).results.map(({ event_id }) => event_id);

  it('are not taken without a topic', async () => {
    expect((await gateway.publish('{"message":"a"}', NDJSON)).status).toBe(422);
    const wrong = await gateway.publish('{}', { ...NDJSON, 'sekali-topic': 'a b' });
    expect(problemOf(wrong)).toMatchObject({ status: 400, parameter: 'sekali-topic' });
  });

  it('are the same events when they are sent again, in another order and written in another way', async () => {
    const first = await gateway.publish('{"message":"a","n":1}\n{"message":"b"}\n{"message":"b"}', headers());
    expect([first.status, answerOf(first).duplicates]).toEqual([202, 0]);
    expect(answerOf(first).results.map(({ id_origin }) => id_origin)).toEqual(Array(3).fill('hashed_record'));
    expect(new Set(ids(first)).size).toBe(3);
    const again = await gateway.publish('{"message":"b"}\n{ "n" : 1, "message" : "\\u0061" }', headers());
    // The brokers know the record in the same writing. The inbox compares the payloads of the other.
    expect(answerOf(again)).toMatchObject({ accepted: 2, duplicates: 1 });
    expect(ids(again)).toEqual([ids(first)[1], ids(first)[0]]);
    const other = await gateway.publish('{"message":"b"}', headers({ 'sekali-source': 'other' }));
    expect(answerOf(other).duplicates).toBe(0);
  });

  it('bring their own ids and times, without the loss of a digit', async () => {
    const fields = headers({ 'sekali-id-field': '/log/id', 'sekali-time-field': '@timestamp' });
    const body = [
      '{"log":{"id":12345678901234567890},"@timestamp":1795341600.123456,"big":1e300}',
      '{"log":{"id":12345678901234567891},"@timestamp":"2026-11-22T10:00:00.123456789+07:00"}',
      `{"log":{"id":"${'x'.repeat(300)}"}}`,
      '{"log":{"id":{}},"@timestamp":null}',
      '{"log":{"id":"late"},"@timestamp":"yesterday"}',
    ].join('\n');
    const answer = answerOf(await gateway.publish(body, fields));
    expect(answer.results.map(({ event_id, id_origin }) => [event_id, id_origin])).toEqual([
      ['12345678901234567890', undefined],
      ['12345678901234567891', undefined],
      [expect.stringMatching(/^sha256:/), 'hashed_id'],
      [expect.stringMatching(/^sha256:/), 'hashed_record'],
      [undefined, undefined],
    ]);
    expect(answer.rejected).toMatchObject([{ index: 4, errors: [{ field: '@timestamp' }] }]);
    const [first = '', second = ''] = await lastBodies(4);
    expect(first).toContain(
      '"event_id":"12345678901234567890","timestamp":"2026-11-22T10:00:00.123456Z","source":"http"',
    );
    expect(first).toContain(`"payload":${body.split('\n')[0] ?? ''}}`);
    expect(second).toContain('"timestamp":"2026-11-22T03:00:00.123456Z"');
  });

  it('need no header where the key has defaults, and are bound by its topics', async () => {
    const token = newApiKeyToken();
    const entry = { key_id: apiKeyIdOf(token) ?? '', name: 'shipper', hash: apiKeyHash(token) };
    const defaults = { topic: 'logs.web', id_field: 'id' };
    await insertApiKeys(system.pool, [{ ...entry, scopes: ['publish'], topics: ['logs.web'], defaults }]);
    const keyed = await RunningGateway.start({ ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' });
    const authorization = `Basic ${Buffer.from(`fluent:${token}`).toString('base64')}`;
    const body = `{"id":"web-1"}\n${line('not-covered')}`;
    const answer = answerOf(await keyed.publish(body, { ...NDJSON, authorization }));
    expect(answer.results).toMatchObject([
      { topic: 'logs.web', event_id: 'web-1', status: 'accepted' },
      { topic: 'orders.created', status: 'invalid', errors: [{ field: 'topic' }] },
    ]);
    expect((await lastBodies(1))[0]).toContain('"source":"shipper","payload":{"id":"web-1"}');
  });

  it('may stand among events', async () => {
    const body = `${line('among-1')}\n{"message":"among"}`;
    const { results } = answerOf(await gateway.publish(body, headers()));
    expect(results.map(({ topic }) => topic)).toEqual(['orders.created', 'logs.records']);
  });
});
