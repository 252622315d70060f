/**
 * Pages and single events from a client's view: where links lead, how the client follows them, which ids it can
 * request.
 */
import { describe, expect, it } from '@jest/globals';
import type { EventView } from '#contracts';
import { SEKALI_LEDGER } from '#store';
import { createTestSystem, type TestSystem } from '#testing';
import { problemOf, RunningGateway, type Answered } from '../test/running-gateway.js';

const STORE = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 'a.b', id, $1, seq, 0 FROM unnest($2::bigint[], $3::text[]) AS new (seq, id)
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, 'a.b', id, 's', '2026-11-22T10:00:00Z', '{}', now() FROM unnest($2::bigint[], $3::text[]) AS new (seq, id)`;

async function store(
  system: TestSystem,
  seqs: readonly number[],
  ids: readonly string[] = seqs.map(String),
): Promise<void> {
  const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, {
    name: system.streamName,
    identity: 'test',
  });
  await system.pool.query(STORE, [streamId, seqs, ids]);
}

const seqsOf = ({ text }: Answered): number[] => (JSON.parse(text) as EventView[]).map(({ seq }) => seq);
const linkOf = ({ headers }: Answered): string => headers.get('link') ?? '';

describe('a link to the next page', () => {
  it('is absolute, by the host that the client asked', async () => {
    const system = await createTestSystem();
    await store(system, [1, 2, 3]);
    const gateway = await RunningGateway.start(system.environment);
    const { url } = gateway.gateway;
    const answer = await gateway.get('/events?limit=2');
    const link = /^<([^>]+)>; rel="next"$/.exec(linkOf(answer))?.[1] ?? '';
    expect(new URL(link).origin).toBe(url);
    const next = await fetch(link);
    expect(((await next.json()) as EventView[]).map(({ seq }) => seq)).toEqual([3]);
    // Headers that any client can send are not trusted.
    const forged = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
    expect(linkOf(await gateway.get('/events?limit=2', { headers: forged }))).toContain(`<${url}/events?`);
  });

  it('is by what a trusted proxy says', async () => {
    const system = await createTestSystem();
    await store(system, [1, 2, 3]);
    const gateway = await RunningGateway.start({
      ...system.environment,
      SEKALI_HTTP_TRUST_PROXY: 'loopback',
      SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS: 'true',
    });
    const link = async (headers: Record<string, string>): Promise<string> =>
      linkOf(await gateway.get('/events?limit=2', { headers }));
    const said = { 'x-forwarded-host': 'events.example:8443', 'x-forwarded-proto': 'https' };
    expect(await link(said)).toMatch(/^<https:\/\/events\.example:8443\/events\?/);
    expect(await link({ ...said, 'x-forwarded-host': '"><x' })).toMatch(/^<\/events\?/);
    expect(await link({ ...said, 'x-forwarded-proto': 'ftp' })).toMatch(/^<\/events\?/);
  });
});

describe('the cursor of a page', () => {
  it('is given with the last page too, and leads to what comes later, each event once', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment);
    const follow = async (cursor: string | null): Promise<Answered> =>
      gateway.get(`/events?topic=a.b${cursor === null ? '' : `&cursor=${cursor}`}`);
    const empty = await follow(null);
    expect(empty.headers.get('sekali-cursor')).not.toBeNull();
    // Sequence 2 is committed after 3, as may happen with transactions.
    await store(system, [1, 3]);
    const first = await follow(empty.headers.get('sekali-cursor'));
    expect([seqsOf(first), linkOf(first)]).toEqual([[1, 3], '']);
    await store(system, [2]);
    const second = await follow(first.headers.get('sekali-cursor'));
    expect(seqsOf(second)).toEqual([2]);
    await store(system, [4]);
    expect(seqsOf(await follow(second.headers.get('sekali-cursor')))).toEqual([4]);
  });
});

describe('an id that no path can carry', () => {
  it('is requested in the query by clients that normalise paths', async () => {
    const system = await createTestSystem();
    const ids = ['.', '..', '...', 'a/../b', ' x '];
    await store(
      system,
      ids.map((_, index) => index + 1),
      ids,
    );
    const gateway = await RunningGateway.start(system.environment);
    for (const [index, id] of ids.entries()) {
      const answer = await gateway.get(`/events/a.b?event_id=${encodeURIComponent(id)}`);
      expect([id, answer.status]).toEqual([id, 200]);
      expect(JSON.parse(answer.text)).toMatchObject({ event_id: id, seq: index + 1 });
    }
    expect(problemOf(await gateway.get('/events/a.b?event_id=none')).status).toBe(404);
    expect(problemOf(await gateway.get('/events/a.b')).detail).toContain('event_id');
    expect(problemOf(await gateway.get('/events/a.b', { method: 'DELETE' })).status).toBe(405);
  });
});

describe('filters of a page', () => {
  const linked = (answer: Answered): string | undefined => {
    const link = /^<([^>]+)>; rel="next"$/.exec(linkOf(answer))?.[1];
    return link === undefined ? undefined : new URL(link).pathname + new URL(link).search;
  };

  it('are kept by its link, in both orders, and the header says how far it inspected', async () => {
    const system = await createTestSystem();
    await store(system, [1, 2, 3, 4, 5, 6]);
    await system.pool.query(`UPDATE sekali.event SET payload = jsonb_build_object('even', seq % 2 = 0)`);
    const gateway = await RunningGateway.start(system.environment);
    const read = async (query: string): Promise<{ seqs: number[]; walks: (string | null)[] }> => {
      const [seqs, walks]: [number[], (string | null)[]] = [[], []];
      for (let path: string | undefined = `/events?${query}`; path !== undefined;) {
        const answer: Answered = await gateway.get(path);
        seqs.push(...seqsOf(answer));
        walks.push(answer.headers.get('sekali-walk'));
        path = linked(answer);
      }
      return { seqs, walks };
    };
    expect((await read('where=payload.even:true&limit=2')).seqs).toEqual([2, 4, 6]);
    expect((await read('where=payload.even:true&order=desc&limit=2')).seqs).toEqual([6, 4, 2]);
    expect((await read('topic=a.>&order=desc&limit=4')).seqs).toEqual([6, 5, 4, 3, 2, 1]);
    expect((await read('topic=*.c')).seqs).toEqual([]);
    expect((await read('q=EVEN&where={"even":false}')).seqs).toEqual([1, 3, 5]);
    expect(await read('q=none')).toEqual({ seqs: [], walks: ['complete;rows=6'] });
    expect((await read('limit=6')).walks).toEqual(['complete']);
    const newest = await gateway.get('/events?order=desc&limit=2');
    await store(system, [7]);
    expect(seqsOf(await gateway.get(`/events?cursor=${newest.headers.get('sekali-cursor')}`))).toEqual([7]);
  });

  it('are refused with what to write instead', async () => {
    const system = await createTestSystem();
    await store(system, [1, 2]);
    const gateway = await RunningGateway.start(system.environment);
    for (const [query, parameter] of [
      ['where=status:5', 'where'],
      [`where=${encodeURIComponent('{"a":"\\u0000","a":1}')}`, 'where'],
      [Array(9).fill('where=payload.a:1').join('&'), 'where'],
      ['q=', 'q'],
      ['q=%00', 'q'],
      ['min_level=loud', 'min_level'],
      ['order=up', 'order'],
      ['topic=a.>.b', 'topic'],
    ])
      expect(problemOf(await gateway.get(`/events?${query}`))).toMatchObject({ status: 400, parameter });
    const first = await gateway.get('/events?limit=1&order=desc');
    const other = linked(first)?.replace('&order=desc', '').replace('order=desc&', '') ?? '';
    expect(problemOf(await gateway.get(other)).type).toBe('urn:sekali:problem:invalid-cursor');
  });
});

describe('times', () => {
  it('are in UTC where the URL has options of its own and the database another zone', async () => {
    const system = await createTestSystem();
    await store(system, [1]);
    const name = new URL(system.postgresUrl).pathname.slice(1);
    await system.pool.query(`ALTER DATABASE ${name} SET timezone = 'Asia/Jakarta'`);
    const SEKALI_POSTGRES_URL = `${system.postgresUrl}?options=-c%20search_path%3Dpublic`;
    const gateway = await RunningGateway.start({ ...system.environment, SEKALI_POSTGRES_URL });
    const [event] = JSON.parse((await gateway.get('/events')).text) as EventView[];
    expect(event?.timestamp).toBe('2026-11-22T10:00:00.000Z');
    expect(Math.abs(Date.parse(event?.stored_at ?? '') - Date.now())).toBeLessThan(600_000);
  });
});
