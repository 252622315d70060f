/** Many large pages are read at once from a gateway with little memory. */
import { describe, expect, it } from '@jest/globals';
import { SEKALI_LEDGER } from '#store';
import { createTestSystem, startApp, waitFor } from '#testing';

const EVENTS = 140;
const READERS = 8;
const HEAP_MIB = 160;

const STORE = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 't', seq::text, $1, seq, 0 FROM generate_series(1, $2::integer) AS seq
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, 't', seq::text, 's', now(), $3::jsonb, now() FROM generate_series(1, $2::integer) AS seq`;

/** Reads a page. When there is no room, it tries again after the time in `Retry-After`. */
async function read(url: string): Promise<{ readonly text: string; readonly link: string }> {
  let page: { readonly text: string; readonly link: string } | undefined;
  const isRead = async (): Promise<boolean> => {
    const answer = await fetch(url);
    const text = await answer.text();
    if (answer.status === 503 && answer.headers.has('retry-after')) return false;
    if (answer.status !== 200) throw new Error(text);
    page = { text, link: answer.headers.get('link') ?? '' };
    return true;
  };
  await waitFor(isRead, { timeoutMs: 120_000, describe: 'room for a page' });
  return page ?? { text: '[]', link: '' };
}

/** Follows the links from the first page on. */
async function readAll(first: string): Promise<number[]> {
  const seqs: number[] = [];
  for (let next: string | undefined = first; next !== undefined;) {
    const { text, link }: { readonly text: string; readonly link: string } = await read(next);
    seqs.push(...(JSON.parse(text) as { seq: number }[]).map(({ seq }) => seq));
    next = /^<([^>]+)>/.exec(link)?.[1];
  }
  return seqs;
}

describe('a gateway of which many want large pages at once', () => {
  it('cuts them smaller or makes them wait, gives each reader everything, and lives', async () => {
    const system = await createTestSystem();
    const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, {
      name: system.streamName,
      identity: 'test',
    });
    const payload = JSON.stringify({ text: 'x'.repeat(243_000) });
    await system.pool.query(STORE, [streamId, EVENTS, payload]);
    const app = await startApp('gateway', system.environment, {
      nodeArguments: [`--max-old-space-size=${HEAP_MIB}`],
    });
    const readers = Array.from({ length: READERS }, async () => readAll(`${app.url}/events?limit=10000`));
    const whole = Array.from({ length: EVENTS }, (_, n) => n + 1);
    for (const seqs of await Promise.all(readers)) expect(seqs).toEqual(whole);
    expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
    expect(await app.stop()).toMatchObject({ code: 0 });
  });
});
