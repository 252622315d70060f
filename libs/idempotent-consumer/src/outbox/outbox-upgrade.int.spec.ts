/** An outbox whose tables an earlier version created. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { waitFor } from '#testing';
import { MemoryEventPublisher } from '../memory/memory-event-publisher.js';
import { OutboxFixture } from '../test/outbox-fixture.js';
import { watchedPool } from '../test/watched-pool.js';
import type { Outbox } from './outbox.js';
import { OutboxBusyError } from './outbox-tables.js';

/** Makes the tables what they were. */
const EARLIER = `
DROP FUNCTION outbox.add_events;
ALTER TABLE outbox.event DROP COLUMN traceparent, DROP COLUMN tracestate;
ALTER TABLE outbox.dead_letter DROP COLUMN traceparent, DROP COLUMN tracestate;
ALTER TABLE outbox.relay ADD PRIMARY KEY (single);
DROP INDEX outbox.dead_letter_key, outbox.dead_letter_released;
CREATE INDEX ON outbox.dead_letter (key, topic, state) WHERE key IS NOT NULL;
CREATE INDEX ON outbox.dead_letter (number) WHERE state <> 'dead'`;
/** What a program of that version sends. */
const EARLIER_ADDITION = `
WITH added AS (
  INSERT INTO outbox.event (topic, event_id, key, body)
  SELECT topic, event_id, key, body FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    AS given (topic, event_id, key, body)
)
SELECT pg_notify('outbox outbox', '') FROM outbox.relay WHERE asleep`;
const INDEXES = `
SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'outbox' AND tablename IN ('relay', 'dead_letter') ORDER BY 1`;

let fixture: OutboxFixture;
let pool: pg.Pool;
let outbox: Outbox;

beforeEach(async () => {
  fixture = await OutboxFixture.create();
  ({ pool, outbox } = fixture);
});

afterEach(() => fixture.dispose());

const addEarlier = (id: string, database: pg.Pool | pg.PoolClient = pool): Promise<unknown> =>
  database.query(EARLIER_ADDITION, [['orders'], [id], [null], ['{"topic":"orders"}']]);

const isAnyoneWaiting = async (): Promise<boolean> => {
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return (await pool.query(waiting)).rowCount !== 0;
};

const indexes = async (): Promise<string[]> =>
  (await pool.query<{ name: string }>(INDEXES)).rows.map(({ name }) => name);

it('gets what it lacks from its owner, keeps its events, and works with programs of both versions', async () => {
  const now = await indexes();
  await pool.query(EARLIER);
  await addEarlier('a');
  await Promise.all([outbox.create(pool), outbox.create(pool)]);
  expect(await indexes()).toEqual(now);
  const publisher = new MemoryEventPublisher();
  const relay = fixture.startRelay({ publisher });
  const seen = (count: number): Promise<unknown> =>
    waitFor(() => publisher.published.length >= count, { timeoutMs: 20_000, describe: `${count} events` });
  await seen(1);
  const asleep = async (): Promise<boolean> =>
    (await pool.query('SELECT FROM outbox.relay WHERE asleep')).rowCount === 1;
  await waitFor(asleep, { timeoutMs: 20_000, describe: 'a relay that is asleep' });
  await addEarlier('b');
  await seen(2);
  await relay.stop();
  expect(publisher.published.map(({ id }) => id)).toEqual(['a', 'b']);
});

it('is refused to a role that does not own it, with the remedy', async () => {
  const { postgresUrl, streamName } = fixture.system;
  const role = `other_${streamName.toLowerCase()}`;
  await pool.query(EARLIER);
  await pool.query(`CREATE ROLE ${role}; GRANT USAGE ON SCHEMA outbox TO ${role}`);
  const other = new pg.Pool({ connectionString: postgresUrl, max: 1, options: `-c role=${role}` });
  try {
    await expect(outbox.create(other)).rejects.toThrow(
      'the outbox in schema outbox was created by an earlier version: have the owner of its tables create it again',
    );
  } finally {
    await other.end();
    await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});

describe('an addition', () => {
  /** Its connections wait for no lock that an upgrade has. */
  let impatient: pg.Pool;

  beforeEach(async () => {
    const { postgresUrl } = fixture.system;
    impatient = new pg.Pool({ connectionString: postgresUrl, max: 1, options: '-c lock_timeout=500' });
    await pool.query(EARLIER);
  });

  afterEach(() => impatient.end());

  it('goes on while the upgrade builds indexes', async () => {
    let [isIndexing, additions] = [false, 0];
    const heldUp = watchedPool(pool, async (_client, text) => {
      isIndexing ||= text.startsWith('CREATE INDEX');
      if (text !== 'COMMIT' || !isIndexing) return;
      isIndexing = false;
      await addEarlier('meanwhile', impatient);
      additions += 1;
    });
    await outbox.create(heldUp);
    expect(additions).toBe(1);
  });

  it('has no lock that the upgrade waits for while this has one that the addition needs next', async () => {
    const client = await impatient.connect();
    await client.query('BEGIN');
    await client.query(`INSERT INTO outbox.event (topic, event_id, body) VALUES ('orders', 'a', '{}')`);
    // Where the addition takes too long, the upgrade gives up, and is made afterwards.
    const upgrade = Promise.allSettled([outbox.create(pool)]);
    await waitFor(isAnyoneWaiting, { timeoutMs: 20_000, describe: 'an upgrade that waits' });
    await addEarlier('b', client);
    await client.query('COMMIT');
    client.release();
    await upgrade;
    await outbox.create(pool);
    expect((await pool.query('SELECT FROM outbox.event')).rowCount).toBe(2);
  });
});

it('gives up where a backup is in the way, says what to do, and is made after it', async () => {
  const now = await indexes();
  await pool.query(EARLIER);
  const backup = await pool.connect();
  await backup.query('BEGIN; LOCK TABLE outbox.event IN ACCESS SHARE MODE');
  const failure: unknown = await outbox.create(pool).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(OutboxBusyError);
  expect(failure).toMatchObject({
    message: expect.stringMatching(/in schema outbox is not upgraded yet.*create the outbox again/),
    cause: { code: '55P03' },
  });
  await addEarlier('a');
  await backup.query('COMMIT');
  backup.release();
  await outbox.create(pool);
  expect(await indexes()).toEqual(now);
});
