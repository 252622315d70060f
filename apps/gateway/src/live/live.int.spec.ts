/** Following events: none is missed and none comes twice, whatever ends the connection. */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { FIRST_POSITION, SEEN_RANGES_MAX, SEKALI_LEDGER } from '#store';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { readCursor } from '../events/event-cursor.js';
import { ProblemError } from '../problems/problem-error.js';
import { problemOf, RunningGateway } from '../test/running-gateway.js';
import { LiveFeed, LIVE_BOUNDS } from './live-feed.js';
import type { Listener } from './listener.js';

const DEADLINE = { timeoutMs: 20_000, describe: 'the messages' };
const NO_FLOOR = (): Promise<number> => Promise.resolve(0);

let system: TestSystem;
let streamId: number;
let closing: AbortController;

beforeEach(async () => {
  closing = new AbortController();
  system = await createTestSystem({ replicas: 1 });
  const registry = SEKALI_LEDGER.registry;
  ({ streamId } = await registry.of(system.pool, { name: system.streamName, identity: 'first' }));
});

afterEach(async () => {
  closing.abort();
  await system.dispose();
});

const INSERT = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 't' || seq % 2, 'e' || seq, $1, seq, 0 FROM unnest($2::bigint[]) AS seq
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, 't' || seq % 2, 'e' || seq, 's', now(), jsonb_build_object('tenth', seq % 10 = 0, 'filling', $3::text), now()
FROM unnest($2::bigint[]) AS seq`;

async function insert(
  seqs: readonly number[],
  filling = '',
  pool: Pick<Pool, 'query'> = system.pool,
): Promise<void> {
  await pool.query(INSERT, [streamId, seqs, filling]);
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** What the database answers. */
function ask(system: TestSystem, given: readonly unknown[]): Promise<unknown> {
  return Reflect.apply(system.pool.query, system.pool, given) as Promise<unknown>;
}

/** A client of server-sent events. */
class Client {
  readonly seqs: number[] = [];
  readonly kinds: string[] = [];
  lastId = '';
  isEnded = false;
  private text = '';

  take(chunk: string): void {
    this.text += chunk;
    const messages = this.text.split('\n\n');
    this.text = messages.pop() ?? '';
    for (const message of messages) {
      const fields = new Map(
        message
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(': ') + 2)]),
      );
      this.lastId = fields.get('id') ?? this.lastId;
      const kind = fields.get('event');
      if (kind !== undefined) this.kinds.push(kind);
      if (kind === 'event') this.seqs.push((JSON.parse(fields.get('data') ?? '') as { seq: number }).seq);
    }
  }

  /** Follows a listener in this process. */
  static of(listener: Listener): Client {
    const client = new Client();
    listener.stream.setEncoding('utf8');
    listener.stream.on('data', (chunk: string) => {
      client.take(chunk);
    });
    return client;
  }

  /** Follows over HTTP, until it is aborted. */
  static async open(
    gateway: RunningGateway,
    query: string,
    signal: AbortSignal,
    headers: Record<string, string> = {},
  ): Promise<Client> {
    const client = new Client();
    const response = await fetch(`${gateway.gateway.url}/events/stream${query}`, { signal, headers });
    if (response.headers.get('content-type') !== 'text/event-stream; charset=utf-8')
      throw new Error(await response.text());
    const decoder = new TextDecoder();
    const reading = async (): Promise<void> => {
      for await (const bytes of response.body ?? [])
        client.take(decoder.decode(bytes as Uint8Array, { stream: true }));
    };
    void reading()
      .catch(() => undefined)
      .then(() => (client.isEnded = true));
    return client;
  }
}

describe('GET /events/stream', () => {
  it('sends what is stored from now on, as it matches', async () => {
    await insert(range(1, 20));
    const gateway = await RunningGateway.start(system.environment);
    const end = new AbortController();
    const all = await Client.open(gateway, '', end.signal);
    const some = await Client.open(gateway, '?topic=t0&where=payload.tenth:true', end.signal);
    await insert(range(21, 60));
    await waitFor(() => all.seqs.length === 40 && some.seqs.length === 4, DEADLINE);
    expect(all.seqs).toEqual(range(21, 60));
    expect(some.seqs).toEqual([30, 40, 50, 60]);
    end.abort();
  });

  it('resumes behind any message without a gap or a repeat, while transactions commit out of order', async () => {
    const gateway = await RunningGateway.start(system.environment);
    const seqs: number[] = [];
    const client = await system.pool.connect();
    await client.query('BEGIN');
    await insert([5, 15], '', client);
    let lastId = '';
    for (let round = 0; round < 4; round++) {
      const end = new AbortController();
      const headers: Record<string, string> = lastId === '' ? {} : { 'last-event-id': lastId };
      const query = lastId === '' ? `?cursor=${Buffer.from('1.0.0').toString('base64url')}` : '';
      const reader = await Client.open(gateway, query, end.signal, headers);
      const own = range(round * 10 + 1, round * 10 + 10).filter((seq) => seq !== 5 && seq !== 15);
      await insert(own.slice(0, 4));
      await insert(own.slice(4));
      if (round === 2) {
        await client.query('COMMIT');
        client.release();
      }
      await waitFor(() => reader.seqs.length >= own.length, DEADLINE);
      end.abort();
      await waitFor(() => reader.isEnded, DEADLINE);
      seqs.push(...reader.seqs);
      lastId = reader.lastId;
    }
    const end = new AbortController();
    const last = await Client.open(gateway, '', end.signal, { 'last-event-id': lastId });
    await waitFor(() => seqs.length + last.seqs.length >= 40, DEADLINE);
    end.abort();
    expect([...seqs, ...last.seqs].sort((a, b) => a - b)).toEqual(range(1, 40));
  });

  it('ends when the gateway stops, and refuses wrong parameters and cursors before', async () => {
    const gateway = await RunningGateway.start(system.environment);
    expect(problemOf(await gateway.get('/events/stream?limit=1'))).toMatchObject({ parameter: 'limit' });
    expect(problemOf(await gateway.get('/events/stream?cursor=x')).status).toBe(400);
    const headers = { 'last-event-id': 'x' };
    expect(problemOf(await gateway.get('/events/stream', { headers })).status).toBe(400);
    expect(problemOf(await gateway.get('/events/stream?event_id=none')).status).toBe(404);
    const client = await Client.open(gateway, '', new AbortController().signal);
    await gateway.gateway.stop();
    await waitFor(() => client.isEnded, DEADLINE);
  });
});

/** The status of the problem that a call throws. */
function statusOf(call: () => unknown): number | undefined {
  try {
    call();
  } catch (error) {
    return error instanceof ProblemError ? error.problem.status : undefined;
  }
  return undefined;
}

describe('the feed', () => {
  const following = (filter = {}, reader = 'r') => ({ filter, from: FIRST_POSITION, reader });

  it('reads once for all listeners with one filter, and each gets every event once, whenever it joins', async () => {
    let reads = 0;
    const counted = {
      query: (...given: unknown[]) => {
        if (JSON.stringify(given[0]).includes('payload_text')) reads += 1;
        return ask(system, given);
      },
    } as unknown as Pool;
    const feed = new LiveFeed(counted, NO_FLOOR, closing.signal);
    await insert(range(1, 10));
    const clients: Client[] = [];
    for (let n = 0; n < 20; n++) clients.push(Client.of(feed.listen(following())));
    await waitFor(() => clients.every(({ seqs }) => seqs.length === 10), DEADLINE);
    for (let n = 0; n < 5; n++) {
      await insert(range(11 + n * 10, 20 + n * 10));
      clients.push(Client.of(feed.listen(following())));
    }
    await waitFor(() => clients.every(({ seqs }) => seqs.length >= 60), DEADLINE);
    reads = 0;
    await insert(range(61, 70));
    await waitFor(() => clients.every(({ seqs }) => seqs.length >= 70), DEADLINE);
    expect(reads).toBeLessThan(10);
    for (const { seqs } of clients) expect(seqs).toEqual(range(1, 70));
  });

  it('gives a listener nothing twice that joins while events are stored', async () => {
    let isJoining = false;
    const database = {
      query: async (...given: [unknown, (readonly unknown[])?]) => {
        // The group has read in this round, and the listener that joins reads from the first event on.
        if (isJoining && given[1]?.[0] === streamId && given[1][1] === 0) {
          isJoining = false;
          await insert(range(11, 20));
        }
        return ask(system, given);
      },
    } as unknown as Pool;
    const feed = new LiveFeed(database, NO_FLOOR, closing.signal);
    await insert(range(1, 10));
    const first = Client.of(feed.listen(following()));
    await waitFor(() => first.seqs.length === 10, DEADLINE);
    isJoining = true;
    const second = Client.of(feed.listen(following()));
    await waitFor(() => first.seqs.length === 20 && second.seqs.length >= 20, DEADLINE);
    await insert([21]);
    await waitFor(() => [first, second].every(({ seqs }) => seqs.includes(21)), DEADLINE);
    expect([first.seqs, second.seqs]).toEqual([range(1, 21), range(1, 21)]);
  });

  it('gives a listener nothing twice that is ahead of its group', async () => {
    const feed = new LiveFeed(system.pool, NO_FLOOR, closing.signal);
    const first = Client.of(feed.listen(following()));
    await insert([1]);
    await waitFor(() => first.seqs.length === 1, DEADLINE);
    // The group needs several rounds for these, and the second listener only one page.
    await insert(range(2, 9_000));
    const second = Client.of(feed.listen({ ...following(), from: { streamId, seq: 8_990 } }));
    await waitFor(() => first.seqs.length >= 9_000, DEADLINE);
    await insert([9_001]);
    await waitFor(() => [first, second].every(({ seqs }) => seqs.includes(9_001)), DEADLINE);
    expect(second.seqs).toEqual(range(8_991, 9_001));
    expect(first.seqs).toEqual(range(1, 9_001));
  });

  it('gives every event to a listener that joins while more ranges are unsettled than a position can have', async () => {
    const feed = new LiveFeed(system.pool, NO_FLOOR, closing.signal);
    const odd = (from: number, to: number): number[] => range(from, to).filter((seq) => seq % 2 === 1);
    await insert(odd(1, 2 * SEEN_RANGES_MAX - 10));
    const first = Client.of(feed.listen(following()));
    await waitFor(() => first.seqs.length === SEEN_RANGES_MAX - 5, DEADLINE);
    await insert(odd(2 * SEEN_RANGES_MAX - 9, 2 * SEEN_RANGES_MAX + 20));
    const joins = feed.listen(following());
    const second = Client.of(joins);
    await waitFor(() => joins.position.seq === 1, DEADLINE);
    const late = feed.listen(following({ topic: 't1' }));
    const alone = Client.of(late);
    await waitFor(() => late.position.seq === 1, DEADLINE);
    const last = 2 * SEEN_RANGES_MAX + 20;
    await insert(range(1, last).filter((seq) => seq % 2 === 0));
    const clients = [first, second];
    await waitFor(() => clients.every(({ seqs }) => seqs.includes(last)), DEADLINE);
    await waitFor(() => alone.seqs.length >= last / 2, DEADLINE);
    for (const { seqs } of clients) expect([...seqs].sort((a, b) => a - b)).toEqual(range(1, last));
    expect(alone.seqs).toEqual(odd(1, last));
  });

  it('cuts a client off that does not read, and the others go on', async () => {
    const feed = new LiveFeed(system.pool, NO_FLOOR, closing.signal);
    const slow = feed.listen(following());
    const quick = Client.of(feed.listen(following()));
    await waitFor(() => slow.position.streamId === streamId, DEADLINE);
    for (let n = 0; n < 12; n++) await insert(range(n * 10 + 1, n * 10 + 10), 'x'.repeat(20_000));
    await waitFor(() => quick.seqs.length === 120, DEADLINE);
    await waitFor(() => !slow.isOpen, DEADLINE);
    expect(slow.stream.readableLength).toBeLessThan(2_000_000);
  });

  it('leaves filters to others, however many a reader asks for', () => {
    const bounds = { ...LIVE_BOUNDS, groupsMax: 4, groupsPerReaderMax: 2 };
    const feed = new LiveFeed(system.pool, NO_FLOOR, closing.signal, bounds);
    for (const topic of ['t1', 't2']) Client.of(feed.listen(following({ topic }, 'a')));
    expect(statusOf(() => feed.listen(following({ topic: 't3' }, 'a')))).toBe(503);
    Client.of(feed.listen(following({ topic: 't2' }, 'a')));
    for (const topic of ['t3', 't4']) Client.of(feed.listen(following({ topic }, 'b')));
  });

  it('is bounded in listeners, in those of one reader, and in filters', async () => {
    const bounds = { ...LIVE_BOUNDS, listenersMax: 5, perReaderMax: 3, groupsMax: 2 };
    const feed = new LiveFeed(system.pool, NO_FLOOR, closing.signal, bounds);
    const own = [1, 2, 3].map(() => feed.listen(following({}, 'a')));
    for (const one of own) Client.of(one);
    await waitFor(() => own.every(({ position }) => position.streamId === streamId), DEADLINE);
    expect(statusOf(() => feed.listen(following({}, 'a')))).toBe(503);
    const other = feed.listen(following({ topic: 't0' }, 'b'));
    Client.of(other);
    expect(statusOf(() => feed.listen(following({ topic: 't1' }, 'b')))).toBe(503);
    const [first] = own;
    if (first === undefined) throw new Error('there is none');
    const closed = once(first.stream, 'close');
    first.stream.destroy();
    await closed;
    Client.of(feed.listen(following({}, 'a')));
  });

  it('says that it waits while the store does not answer, and goes on without a gap', async () => {
    let isDown = false;
    const database = {
      query: (...given: unknown[]) =>
        isDown ? Promise.reject(new Error('connection refused')) : ask(system, given),
    } as unknown as Pool;
    const feed = new LiveFeed(database, NO_FLOOR, closing.signal);
    const client = Client.of(feed.listen(following()));
    await insert(range(1, 5));
    await waitFor(() => client.seqs.length === 5, DEADLINE);
    isDown = true;
    await waitFor(() => client.kinds.includes('waiting'), DEADLINE);
    await insert(range(6, 9));
    isDown = false;
    await waitFor(() => client.seqs.length === 9, DEADLINE);
    expect(client.seqs).toEqual(range(1, 9));
    expect(readCursor(client.lastId)).toEqual({ streamId, seq: 9 });
  });

  it('says that the store answers again, also where no event comes', async () => {
    let isDown = false;
    const database = {
      query: (...given: unknown[]) =>
        isDown ? Promise.reject(new Error('connection refused')) : ask(system, given),
    } as unknown as Pool;
    const feed = new LiveFeed(database, NO_FLOOR, closing.signal);
    const client = Client.of(feed.listen(following()));
    isDown = true;
    await waitFor(() => client.kinds.includes('waiting'), DEADLINE);
    isDown = false;
    await waitFor(() => client.kinds.at(-1) === 'resumed', DEADLINE);
  });

  it('keeps connections, and ends those that stayed for long, also while a round takes long', async () => {
    const database = { query: () => new Promise(() => undefined) } as unknown as Pool;
    const bounds = { ...LIVE_BOUNDS, keepAliveMs: 20, stayMsMax: 1_000 };
    const listener = new LiveFeed(database, NO_FLOOR, closing.signal, bounds).listen(following());
    let text = '';
    listener.stream.on('data', (bytes: Buffer) => (text += bytes.toString()));
    await waitFor(() => text.split('\n:\n').length > 2, DEADLINE);
    await waitFor(() => listener.stream.readableEnded, DEADLINE);
  });

  it('asks a listener to come back after its time, so that a revoked key ends', async () => {
    const feed = new LiveFeed(system.pool, NO_FLOOR, closing.signal, { ...LIVE_BOUNDS, stayMsMax: 1 });
    const listener = feed.listen(following());
    Client.of(listener);
    await waitFor(() => listener.stream.readableEnded, DEADLINE);
  });
});
