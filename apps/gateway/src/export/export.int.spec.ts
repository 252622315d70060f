/** An export has every event once, is written while it is read, and is cut off rather than ended where it is not whole. */
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import { request } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { fastify } from 'fastify';
import type { Pool } from 'pg';
import { SEKALI_LEDGER } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { EventReader } from '../events/event-reader.js';
import { OPEN_ACCESS } from '../keys/access.js';
import { letEveryoneIn } from '../keys/key-guard.js';
import { AT_A_TIME, PageRoom } from '../events/page-room.js';
import { problemOf, RunningGateway } from '../test/running-gateway.js';
import { EventExport } from './event-export.js';
import { ExportController } from './export.controller.js';

const EVENTS = 3_500;
/** How long each statement takes, and after which silence the server closes a connection. */
const SLOW_SECONDS = 0.1;
const SILENT_MS = 5_000;
const INSERT = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 't', 'e' || seq, $1, seq, 0 FROM generate_series(1, $2::int) AS seq
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, 't', 'e' || seq, 'a "source", quoted', '2026-11-22T10:00:00.000001Z',
  jsonb_build_object('n', 12345678901234567890.10::numeric, 'even', seq % 2 = 0), now()
FROM generate_series(1, $2::int) AS seq`;

async function filled(): Promise<{ system: TestSystem; gateway: RunningGateway }> {
  const system = await createTestSystem({ replicas: 1 });
  const key = { name: system.streamName, identity: 'first' };
  const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, key);
  await system.pool.query(INSERT, [streamId, EVENTS]);
  return { system, gateway: await RunningGateway.start(system.environment) };
}

/** What the database answers. */
function ask(system: TestSystem, given: readonly unknown[]): Promise<unknown> {
  return Reflect.apply(system.pool.query, system.pool, given) as Promise<unknown>;
}

/** A database whose statements take a while, and behind which event it was asked to walk at last. */
function slow(system: TestSystem): { database: Pool; farthest: () => number } {
  let farthest = 0;
  const query = async (...given: [unknown, (readonly unknown[])?]): Promise<unknown> => {
    const from = given[1]?.[1];
    if (typeof from === 'number') farthest = Math.max(farthest, from);
    await system.pool.query('SELECT pg_sleep($1)', [SLOW_SECONDS]);
    return ask(system, given);
  };
  return { database: { query } as unknown as Pool, farthest: () => farthest };
}

/** Reads an answer without unpacking it. @param onHead called when its head has arrived */
async function raw(
  url: string,
  headers: Record<string, string>,
  onHead: () => void = () => undefined,
): Promise<{ encoding?: string; body: Buffer }> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (answer) => {
      onHead();
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const encoding = answer.headers['content-encoding'];
        resolve({ ...(encoding !== undefined && { encoding }), body: Buffer.concat(chunks) });
      });
    })
      .on('error', reject)
      .end();
  });
}

describe('GET /events/export', () => {
  it('has every event once, in lines of JSON or CSV, with every digit, compressed or not', async () => {
    const { gateway } = await filled();
    const plain = await raw(`${gateway.gateway.url}/events/export`, {});
    expect(plain.encoding).toBeUndefined();
    const lines = plain.body.toString().trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual(
      Array.from({ length: EVENTS }, (_, n) => n + 1),
    );
    expect(lines[0]).toContain('"n": 12345678901234567890.10');
    const packed = await raw(`${gateway.gateway.url}/events/export`, { 'accept-encoding': 'gzip, br' });
    expect(packed.encoding).toBe('gzip');
    expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
    const csv = await gateway.get('/events/export?format=csv&where=payload.even:true');
    const [head, first, ...others] = csv.text.trimEnd().split('\n');
    expect(head).toBe('topic,event_id,timestamp,source,seq,published_at,stored_at,payload');
    expect(first).toMatch(
      /^t,e2,2026-11-22T10:00:00\.000001Z,"a ""source"", quoted",2,.*,"\{""n"": 12345678901234567890\.10, /,
    );
    expect(others).toHaveLength(EVENTS / 2 - 1);
    expect(problemOf(await gateway.get('/events/export?format=xml'))).toMatchObject({ parameter: 'format' });
    expect((await gateway.get('/events/export?topic=none')).text).toBe('');
  });

  it('keeps its connection while nothing matches for longer than a connection may be silent', async () => {
    const { database, farthest } = slow((await filled()).system);
    const exports = new EventExport(database, () => Promise.resolve(0), new PageRoom(AT_A_TIME));
    const server = fastify({ connectionTimeout: SILENT_MS });
    letEveryoneIn(server);
    const controller = new ExportController(exports, new EventReader(database, () => Promise.resolve(0)));
    server.get('/events/export', (request, reply) => controller.export(request, reply));
    const url = await server.listen({ port: 0 });
    const startedMs = performance.now();
    let walkedAtHead = Infinity;
    const onHead = (): void => {
      walkedAtHead = farthest();
    };
    const address = `${url}/events/export?where=payload.n:1`;
    const whole = await raw(address, {}, onHead).finally(() => server.close());
    expect(whole.body).toHaveLength(0);
    expect(performance.now() - startedMs).toBeGreaterThan(SILENT_MS);
    expect(walkedAtHead).toBeLessThan(farthest());
  });

  it('stops when the client leaves, also while nothing matches', async () => {
    const { database, farthest } = slow((await filled()).system);
    const exports = new EventExport(database, () => Promise.resolve(0), new PageRoom(AT_A_TIME));
    const exporter = { access: OPEN_ACCESS, address: 'a', takesGzip: false };
    const { body } = await exports.begin('where=payload.n:1', exporter);
    const begunAt = farthest();
    body.resume();
    await waitFor(() => farthest() > begunAt, { timeoutMs: 20_000, describe: 'the next page' });
    const closed = once(body, 'close');
    body.destroy();
    await closed;
    expect(farthest()).toBeLessThan(EVENTS - 200);
  });

  it('fails where the store stops answering, instead of ending early, and gives its place back', async () => {
    const { system } = await filled();
    let isDown = false;
    const database = {
      query: (...given: unknown[]) =>
        isDown ? Promise.reject(new Error('connection refused')) : ask(system, given),
    } as unknown as Pool;
    const room = new PageRoom({ ...AT_A_TIME, bytesMax: 1, waitMsMax: 10 });
    const exports = new EventExport(database, () => Promise.resolve(0), room);
    const exporter = { access: OPEN_ACCESS, address: 'a', takesGzip: true };
    const { body } = await exports.begin('', exporter);
    await expect(exports.begin('', exporter)).rejects.toMatchObject({ problem: { status: 503 } });
    isDown = true;
    await expect(body.toArray()).rejects.toThrow();
    isDown = false;
    const again = await exports.begin('', exporter);
    again.body.destroy();
  });
});
