/**
 * A round of a relay costs the same at the head of a backlog and behind what was published, whatever other sessions do.
 *
 * The pages that Postgres reads are counted, because times say nothing on a shared machine.
 */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import pg from 'pg';
import { waitFor } from '#testing';
import type { EventOutcome } from '../producer/event-publisher.js';
import { OutboxFixture } from '../test/outbox-fixture.js';
import { pagesOf } from '../test/pages.js';
import { watchedPool } from '../test/watched-pool.js';

/** More than a segment of the ring has. */
const EVENTS = 140_000;
const BATCH = 2_000;
/** Rounds that are compared: as many of the first as of the last. */
const COMPARED = 10;
const FLAT_AT_MOST = 1.2;
const ADDITION = [['t'], ['i'], [null], ['{}'], null, null];

let fixture: OutboxFixture;

beforeEach(async () => {
  fixture = await OutboxFixture.create();
});

afterEach(() => fixture.dispose());

const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[values.length >> 1] ?? Number.NaN;

it('reads and saves a round by as few pages as the first, next to a session with an old snapshot', async () => {
  const { system, pool, outbox } = fixture;
  await pool.query(
    `INSERT INTO outbox.event (topic, event_id, body)
SELECT 'orders', 'e' || n, '{"topic":"orders"}' FROM generate_series(1, $1::int) AS n`,
    [EVENTS],
  );
  // Nothing that was updated or deleted after its beginning can be vacuumed.
  const old = new pg.Client({ connectionString: system.postgresUrl });
  old.on('error', () => undefined);
  await old.connect();
  await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await old.query('SELECT count(*) FROM pg_class');
  const pages = { read: [] as number[], save: [] as number[], add: [] as number[] };
  const add = (outbox as unknown as { statement: string }).statement;
  let taken = 0;
  const relay = fixture.startRelay({
    batchSize: BATCH,
    publisher: {
      sendInOrder: async (events) => {
        taken += events.length;
        const outcomes = events.map(({ eventId }, seq): EventOutcome => ({
          status: 'accepted',
          eventId,
          seq,
        }));
        return Promise.resolve(outcomes);
      },
    },
    pool: watchedPool(pool, async (client, text, values) => {
      if (text.includes('AS moment') && taken < EVENTS) pages.read.push(await pagesOf(client, text, values));
      if (!text.includes('UPDATE "outbox"."relay" SET passed')) return;
      pages.save.push(await pagesOf(client, text, values));
      pages.add.push(await pagesOf(client, add, ADDITION));
    }),
  });
  await waitFor(() => pages.add.length === EVENTS / BATCH, {
    timeoutMs: 60_000,
    describe: 'every event to be published',
  });
  for (const [what, counts] of Object.entries(pages)) {
    expect([what, counts.length]).toEqual([what, EVENTS / BATCH]);
    const [first, last] = [counts.slice(0, COMPARED), counts.slice(-COMPARED)];
    const isFlat = median(last) <= median(first) * FLAT_AT_MOST;
    expect([what, isFlat, median(first), median(last)]).toEqual([what, true, median(first), median(last)]);
  }
  const size = async (): Promise<unknown> =>
    (await pool.query<{ size: string }>(`SELECT pg_relation_size('outbox.event_0') AS size`)).rows[0]?.size;
  await waitFor(async () => (await size()) === '0', { timeoutMs: 20_000, describe: 'an empty segment' });
  await relay.stop();
  // As many versions of the relay's row as minutes of rounds leave behind.
  await pool.query(
    'DO $$ BEGIN FOR n IN 1..3000 LOOP UPDATE outbox.relay SET asleep = false; END LOOP; END $$',
  );
  const client = await pool.connect();
  // The first addition of a session reads the catalogue, too.
  await pagesOf(client, add, ADDITION);
  const later = await pagesOf(client, add, ADDITION);
  client.release();
  const usual = median(pages.add.slice(0, COMPARED));
  expect([later <= usual * FLAT_AT_MOST, usual, later]).toEqual([true, usual, later]);
  await old.end();
});
