import { describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import type { EventView, StatsView } from '#contracts';
import { SEKALI_LEDGER } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { event, problemOf, published, RunningGateway, type Answered } from './test/running-gateway.js';

const STORE = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT $2, id, $1, seq, 0 FROM unnest($3::text[]) WITH ORDINALITY AS new (id, seq)
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, $2, id, 's', '2026-11-22T10:00:00Z', $4::jsonb, now() FROM unnest($3::text[]) WITH ORDINALITY AS new (id, seq)`;

/** Puts events into the database like the store, with sequences from 1 on. */
async function store(system: TestSystem, ids: readonly string[], payload = '{}'): Promise<number> {
  const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, {
    name: system.streamName,
    identity: 'test',
  });
  await system.pool.query(STORE, [streamId, 'a.b', ids, payload]);
  return streamId;
}

/** The path in the absolute `Link` of an answer. */
function followed(gateway: RunningGateway, { headers }: Answered): string | undefined {
  const link = /^<(http[^>]*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
  if (link !== undefined && !link.startsWith(`${gateway.gateway.url}/events?`)) throw new Error(link);
  return link?.slice(gateway.gateway.url.length);
}

async function stats(gateway: RunningGateway): Promise<StatsView> {
  const answer = await gateway.get('/stats');
  if (answer.status !== 200) throw new Error(answer.text);
  return JSON.parse(answer.text) as StatsView;
}

describe('GET /events', () => {
  it('leads from page to page with the parameters of the first request', async () => {
    const system = await createTestSystem();
    await store(
      system,
      Array.from({ length: 25 }, (_, n) => String(n)),
    );
    const gateway = await RunningGateway.start(system.environment);
    const seqs: number[] = [];
    const sizes: number[] = [];
    let path: string | undefined = '/events?topic=a.b&limit=10';
    while (path !== undefined) {
      const answer = await gateway.get(path);
      const events = JSON.parse(answer.text) as EventView[];
      seqs.push(...events.map(({ seq }) => seq));
      sizes.push(events.length);
      path = followed(gateway, answer);
      expect(path === undefined || path.includes('topic=a.b&limit=10&cursor=')).toBe(true);
    }
    expect(seqs).toEqual(Array.from({ length: 25 }, (_, n) => n + 1));
    expect(sizes).toEqual([10, 10, 5]);
    expect((await gateway.get('/events?topic=unknown')).text).toBe('[]');
  });

  it('asks for a moment where the next event has not settled yet', async () => {
    const system = await createTestSystem();
    const streamId = await store(system, ['1', '2', '3']);
    await system.pool.query('DELETE FROM sekali.event_key WHERE stream_id = $1 AND seq = 1', [streamId]);
    await system.pool.query('DELETE FROM sekali.event WHERE stream_id = $1 AND seq = 1', [streamId]);
    const gateway = await RunningGateway.start(system.environment);
    const answer = await gateway.get('/events?limit=1');
    expect([answer.status, answer.text, answer.headers.get('retry-after')]).toEqual([200, '[]', '1']);
    expect(answer.headers.get('link')).toContain('rel="next"');
  });
});

describe('GET /events/{topic}/{event_id}', () => {
  it('finds an event by any id, with its payload character for character', async () => {
    const system = await createTestSystem();
    const ids = ['1', ' 1', 'x/y', 'x//y/', 'ü😀', '100%', 'a?b#c', 'a+b', '%2F'];
    await store(system, ids, '{"n": 12345678901234567890, "__proto__": {"x": 1}}');
    const gateway = await RunningGateway.start(system.environment);
    for (const [index, id] of ids.entries()) {
      const answer = await gateway.get(`/events/a.b/${encodeURIComponent(id)}`);
      expect([id, answer.status]).toEqual([id, 200]);
      expect(JSON.parse(answer.text)).toMatchObject({ event_id: id, seq: index + 1, duplicates_dropped: 0 });
      expect(answer.text).toContain('{"n": 12345678901234567890, "__proto__": {"x": 1}}');
    }
    // Slashes may also be sent unescaped.
    expect((await gateway.get('/events/a.b/x/y')).status).toBe(200);
    const unknown = ['/events/a.b/none', '/events/other/1', '/events/a%20b/1', '/events/a.b/%00'];
    for (const path of unknown) expect(problemOf(await gateway.get(path)).status).toBe(404);
    await system.pool.query('DELETE FROM sekali.event');
    expect(problemOf(await gateway.get('/events/a.b/1'))).toMatchObject({ status: 410, seq: 1 });
  });
});

describe('what is not there or cannot be read', () => {
  it('is answered with a problem', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment);
    const expected: [string, string, number][] = [
      ['GET', '/nothing', 404],
      ['DELETE', '/', 405],
      ['GET', '/events/only-topic', 404],
      ['GET', '/%zz', 400],
      ['GET', '/events?limit=x', 400],
      ['GET', '/events?cursor=x', 400],
      ['DELETE', '/events', 405],
      ['POST', '/stats', 405],
      ['PUT', '/health/ready', 405],
    ];
    for (const [method, path, status] of expected) {
      const answer = await gateway.get(path, { method });
      expect([method, path, problemOf(answer).status]).toEqual([method, path, status]);
      expect(answer.headers.has('allow')).toBe(status === 405);
    }
    expect(await raw(gateway.gateway.url, 'NOT HTTP\r\n\r\n')).toContain('application/problem+json');
  });
});

describe('GET /stats', () => {
  it('adds up, with duplicates that the brokers dropped, and is the same after a restart', async () => {
    const system = await createTestSystem();
    const first = await RunningGateway.start(system.environment);
    await first.publish([event('1'), event('2'), event('1')]);
    await first.publish(event('2'));
    const figures = { received: 4, unique_processed: 0, duplicate_dropped: 2, in_flight: 2 };
    await waitFor(async () => (await stats(first)).duplicate_dropped === 2, {
      timeoutMs: 5_000,
      describe: 'the duplicates to be written',
    });
    expect(await stats(first)).toMatchObject({ ...figures, duplicates: { broker: 2, store: 0 }, topics: [] });
    expect((await stats(first)).lag_seconds).toBeGreaterThan(0);
    await first.publish(event('1'));
    await first.gateway.stop();
    const second = await RunningGateway.start(system.environment);
    expect(await stats(second)).toMatchObject({ received: 5, duplicate_dropped: 3, in_flight: 2 });
  });
});

describe('a gateway without its servers', () => {
  it('starts, lives, says what is missing, and answers 503', async () => {
    const system = await createTestSystem();
    const nowhere = {
      SEKALI_NATS_URLS: 'nats://127.0.0.1:1',
      SEKALI_POSTGRES_URL: 'postgres://sekali@127.0.0.1:1/sekali',
    };
    const gateway = await RunningGateway.start({ ...system.environment, ...nowhere }, false);
    expect((await gateway.get('/health/live')).status).toBe(200);
    expect((await gateway.get('/health')).text).toContain('"status":"degraded"');
    const ready = problemOf(await gateway.get('/health/ready'));
    expect(ready).toMatchObject({
      status: 503,
      components: { broker: { status: 'failed' }, schema: { status: 'failed' } },
    });
    for (const answer of [
      await gateway.get('/stats'),
      await gateway.get('/events'),
      await gateway.get('/events/a/1'),
      await gateway.publish(event('1')),
    ]) {
      expect(problemOf(answer).status).toBe(503);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await gateway.gateway.stop();
  });

  it('is not ready without the schema, the stream or the consumer', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment);
    await system.pool.query('DELETE FROM sekali.migration');
    await system.connection.request(`$JS.API.CONSUMER.DELETE.${system.streamName}.${system.consumerName}`);
    const { components } = problemOf(await gateway.get('/health/ready')) as unknown as Record<string, object>;
    expect(components).toMatchObject({
      database: { status: 'ok' },
      broker: { status: 'ok' },
      stream: { status: 'ok' },
      consumer: { status: 'failed' },
      schema: { status: 'failed' },
    });
  });
});

describe('a gateway that is stopped', () => {
  it('finishes what it accepted, refuses further requests, and writes its counts', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment);
    const batch = Array.from({ length: 3_000 }, (_, n) => event(String(n % 2_000)));
    const underWay = gateway.publish(batch);
    const stream = `$JS.API.STREAM.INFO.${system.streamName}`;
    await waitFor(
      async () =>
        (await system.connection.request(stream)).json<{ state: { messages: number } }>().state.messages > 0,
      { timeoutMs: 10_000, describe: 'the first event to be published' },
    );
    const stopped = gateway.gateway.stop();
    await expect(gateway.publish(event('late')).then((answer) => answer.status)).rejects.toThrow(
      'fetch failed',
    );
    const answer = await underWay;
    expect(answer.status).toBe(202);
    expect(published(answer)).toMatchObject({ accepted: 3_000, duplicates: 1_000 });
    await stopped;
    const { rows } = await system.pool.query(
      'SELECT sum(dropped)::int AS dropped FROM sekali.broker_duplicate',
    );
    expect(rows).toEqual([{ dropped: 1_000 }]);
  });
});

/** Sends bytes and returns everything that comes back. */
async function raw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
