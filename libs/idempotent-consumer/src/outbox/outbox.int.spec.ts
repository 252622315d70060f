/** An outbox and its relays on a real Postgres and a real stream. */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { createPool } from '#postgres';
import { type TestSystem, waitFor } from '#testing';
import { MemoryEventPublisher } from '../memory/memory-event-publisher.js';
import type { NotTakenReason } from '../producer/event-publisher.js';
import type { StreamEventPublisher } from '../producer/stream-event-publisher.js';
import { OutboxFixture } from '../test/outbox-fixture.js';
import { streamEvents } from '../test/stream-events.js';
import { watchedPool } from '../test/watched-pool.js';
import { Outbox } from './outbox.js';
import type { OutboxRelay } from './outbox-relay.js';
import type { OutboxRelayOptions } from './relay-options.js';
import type { RelayEvent } from './relay-report.js';
import { RelaySession } from './relay-session.js';

let fixture: OutboxFixture;
let system: TestSystem;
let pool: pg.Pool;
let outbox: Outbox;
let publisher: StreamEventPublisher;
let events: RelayEvent[];

beforeEach(async () => {
  fixture = await OutboxFixture.create();
  ({ system, pool, outbox } = fixture);
  publisher = fixture.openPublisher();
  events = [];
});

afterEach(() => fixture.dispose());

function startRelay(options: Partial<OutboxRelayOptions> = {}): OutboxRelay {
  const observe = (event: RelayEvent): void => void events.push(event);
  return fixture.startRelay({ publisher, observe, ...options });
}

const inTransaction: OutboxFixture['inTransaction'] = (work, end) => fixture.inTransaction(work, end);

const add = (...ids: readonly string[]): Promise<void> =>
  inTransaction((client) =>
    outbox.addAll(
      client,
      ids.map((id) => ({ topic: 'orders', id, payload: { id } })),
    ),
  );

async function idsIn(topic = 'orders'): Promise<string[]> {
  return (await streamEvents(system)).filter((event) => event.topic === topic).map(({ id }) => id);
}

async function expectEvents(ids: readonly string[], topic = 'orders'): Promise<void> {
  await waitFor(async () => (await idsIn(topic)).length >= ids.length, {
    timeoutMs: 20_000,
    describe: `${ids.length} events of ${topic}`,
  });
  expect(await idsIn(topic)).toEqual(ids);
}

const numbered = (count: number, prefix = 'e'): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

describe('an outbox', () => {
  it('publishes what was committed, never what was rolled back, by a client of pg and by TypeORM', async () => {
    startRelay();
    await add('a');
    await inTransaction(
      (client) => outbox.add(client, { topic: 'orders', id: 'never', payload: {} }),
      'ROLLBACK',
    );
    const dataSource = new DataSource({ type: 'postgres', url: system.postgresUrl, poolSize: 1 });
    await dataSource.initialize();
    await dataSource.transaction((manager) =>
      outbox.add(manager, { topic: 'orders', id: 'b', payload: { n: 1 } }),
    );
    const failing = dataSource.transaction(async (manager) => {
      await outbox.add(manager, { topic: 'orders', id: 'neither', payload: {} });
      throw new Error('of the caller');
    });
    await expect(failing).rejects.toThrow('of the caller');
    await expect(outbox.add(dataSource, { topic: 'orders', payload: {} })).rejects.toThrow(
      /give the manager or the client/,
    );
    await dataSource.destroy();
    await expect(outbox.add(pool as never, { topic: 'orders', payload: {} })).rejects.toThrow(
      /and not the pool/,
    );
    await expectEvents(['a', 'b']);
    await add('last');
    await expectEvents(['a', 'b', 'last']);
  });

  it('keeps the order in which transactions followed each other, of many in one batch, too', async () => {
    const ids = numbered(2_500);
    for (let at = 0; at < ids.length; at += 100) await add(...ids.slice(at, at + 100));
    startRelay();
    await expectEvents(ids);
  });

  it('keeps the order where no batch can be taken, because another process published one of its events', async () => {
    const other = fixture.openPublisher();
    await other.publish({ topic: 'orders', id: 'e0', payload: {} });
    await add(...numbered(40));
    startRelay();
    await expectEvents(numbered(40));
  });

  it('publishes events of a slow transaction when it commits, and holds back no other for it', async () => {
    startRelay();
    const slow = await pool.connect();
    await slow.query('BEGIN');
    await outbox.add(slow, { topic: 'orders', id: 'slow', payload: {} });
    await add('a');
    await inTransaction(
      (client) => outbox.add(client, { topic: 'orders', id: 'gone', payload: {} }),
      'ROLLBACK',
    );
    await add('b');
    await expectEvents(['a', 'b']);
    await slow.query('COMMIT');
    slow.release();
    await expectEvents(['a', 'b', 'slow']);
    // What was rolled back is not checked for ever.
    await waitFor(async () => (await openRanges()) === 0, { timeoutMs: 20_000, describe: 'no open range' });
  });

  it('never passes by a transaction whose id is newer than that of one that ended', async () => {
    // The first number of a sequence gives its transaction an id anyway, and the next ones do not.
    await add('z');
    // The number is taken before the transaction writes anything else. Its id must be there by then.
    const slow = await pool.connect();
    await slow.query('BEGIN');
    await slow.query('SELECT outbox.next_event_number()');
    await add('a');
    startRelay();
    await expectEvents(['z', 'a']);
    // Transactions come and go, and rounds of the relay with them.
    for (const id of ['b', 'c', 'd']) {
      await add(id);
      await waitFor(async () => (await idsIn()).includes(id), { timeoutMs: 20_000, describe: id });
    }
    expect(await openRanges()).toBe(1);
    await slow.query(`INSERT INTO outbox.event (number, topic, event_id, body)
      VALUES (2, 'orders', 'first', '{"topic":"orders","event_id":"first","timestamp":"2026-11-22T10:00:00Z","source":"x","payload":{}}')`);
    await slow.query('COMMIT');
    slow.release();
    await expectEvents(['z', 'a', 'b', 'c', 'd', 'first']);
  });

  it('never passes by an addition that has its number, and has written nothing yet', async () => {
    await add('z');
    await pool.query(`
CREATE FUNCTION public.hold_up() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END';
CREATE TRIGGER hold_up BEFORE INSERT ON outbox.event FOR EACH ROW WHEN (NEW.event_id = 'first')
  EXECUTE FUNCTION public.hold_up()`);
    const gate = await pool.connect();
    await gate.query('SELECT pg_advisory_lock(4711)');
    const slow = add('first');
    const isHeldUp = async (): Promise<boolean> =>
      (
        await pool.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 4711
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
      ).rowCount === 1;
    await waitFor(isHeldUp, { timeoutMs: 20_000, describe: 'an addition that is held up' });
    startRelay();
    for (const id of ['a', 'b', 'c']) {
      await add(id);
      await waitFor(async () => (await idsIn()).includes(id), { timeoutMs: 20_000, describe: id });
    }
    await gate.query('SELECT pg_advisory_unlock(4711)');
    await slow;
    gate.release();
    await expectEvents(['z', 'a', 'b', 'c', 'first']);
  });

  it('is published by one of its relays at a time, while the others ask for the lock', async () => {
    await add(...numbered(5));
    let goOn = (): void => undefined;
    const isHeldUp = new Promise<void>((resolve) => (goOn = resolve));
    let underway = 0;
    let most = 0;
    const slow: OutboxRelayOptions['publisher'] = {
      sendInOrder: async (rows) => {
        most = Math.max(most, (underway += 1));
        await isHeldUp;
        const outcomes = await publisher.sendInOrder(rows);
        underway -= 1;
        return outcomes;
      },
    };
    const asked = [0, 0, 0];
    for (const n of asked.keys()) {
      const asking = watchedPool(pool, (_client, text) => {
        if (text.includes('pg_try_advisory_lock')) asked[n] = (asked[n] ?? 0) + 1;
      });
      startRelay({ publisher: slow, pool: asking });
    }
    // One that was refused the lock asks again. One that has it does not.
    await waitFor(() => most > 1 || asked.filter((times) => times > 1).length === 2, {
      timeoutMs: 20_000,
      describe: 'two relays to ask again',
    });
    goOn();
    await add('last');
    await expectEvents([...numbered(5), 'last']);
    expect(most).toBe(1);
  });

  it('leaves the events to one of its relays, and to another one when that is cut off', async () => {
    const relays = Array.from({ length: 3 }, () => startRelay());
    await waitFor(() => relays.some((relay) => relay.health().state === 'leading'), {
      timeoutMs: 20_000,
      describe: 'a relay to lead',
    });
    for (let round = 0; round < 4; round += 1) {
      await add(...numbered(50, `r${round}-`));
      await pool.query(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
    }
    await expectEvents(numbered(4).flatMap((_, round) => numbered(50, `r${round}-`)));
    expect(events.filter(({ type }) => type === 'leading').length).toBeGreaterThan(1);
  });
});

async function openRanges(): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'SELECT cardinality(gap_from) AS count FROM outbox.relay',
  );
  return rows[0]?.count ?? -1;
}

describe('an event that the brokers refuse', () => {
  const large = (): ReturnType<typeof inTransaction> =>
    inTransaction((client) => {
      const roomy = new Outbox({ source: 'shop', eventBytesMax: 2_000_000 });
      return roomy.addAll(client, [
        { topic: 'orders', id: 'large', payload: { text: 'x'.repeat(1_100_000) }, key: 'k' },
        { topic: 'orders', id: 'behind', payload: {}, key: 'k' },
        { topic: 'orders', id: 'other', payload: {}, key: 'other' },
      ]);
    });

  async function states(): Promise<string[]> {
    return (await outbox.deadLetters(pool)).map(
      ({ eventId, state, reason }) => `${eventId} ${state}: ${reason}`,
    );
  }

  it('is a dead letter of the outbox, and those behind it go on', async () => {
    startRelay();
    await large();
    await expectEvents(['behind', 'other']);
    await waitFor(() => events.some(({ type }) => type === 'dead-letter'), {
      timeoutMs: 20_000,
      describe: 'report',
    });
    expect(await states()).toEqual(['large dead: too_large']);
    const [dead] = await outbox.deadLetters(pool);
    expect(await outbox.drop(pool, [dead?.number ?? ''])).toBe(1);
    expect(await states()).toEqual([]);
  });

  it('holds those of its key where that is asked for, until it is dropped or released', async () => {
    startRelay({ onDeadLetter: 'hold' });
    await large();
    await expectEvents(['other']);
    await inTransaction((client) =>
      outbox.add(client, { topic: 'orders', id: 'later', payload: {}, key: 'k' }),
    );
    await add('free');
    await expectEvents(['other', 'free']);
    const held = 'held: an event of its key before it is a dead letter';
    await waitFor(async () => (await states()).length === 3, { timeoutMs: 20_000, describe: 'what is held' });
    expect(await states()).toEqual(['large dead: too_large', `behind ${held}`, `later ${held}`]);
    // An operator makes it small enough.
    await pool.query(
      `UPDATE outbox.dead_letter SET body = replace(body, repeat('x', 1100000), '') WHERE event_id = 'large'`,
    );
    const [dead] = await outbox.deadLetters(pool);
    expect(await outbox.release(pool, [dead?.number ?? ''])).toBe(1);
    await expectEvents(['other', 'free', 'large', 'behind', 'later']);
    await inTransaction((client) =>
      outbox.add(client, { topic: 'orders', id: 'again', payload: {}, key: 'k' }),
    );
    await expectEvents(['other', 'free', 'large', 'behind', 'later', 'again']);
    await waitFor(async () => (await states()).length === 0, {
      timeoutMs: 20_000,
      describe: 'no dead letter',
    });
  });

  it('is none while nothing is taken: the relay waits, says so, and goes on by itself', async () => {
    const elsewhere = fixture.openPublisher('without-stream');
    const blocked = startRelay({ publisher: elsewhere });
    await add('a', 'b');
    await waitFor(() => blocked.health().state === 'leading', {
      timeoutMs: 20_000,
      describe: 'the relay to lead',
    });
    await elsewhere.stop(200);
    await waitFor(() => blocked.health().blockedMs > 0, {
      timeoutMs: 30_000,
      describe: 'the relay to be blocked',
    });
    await blocked.stop();
    expect(await states()).toEqual([]);
    startRelay();
    await expectEvents(['a', 'b']);
  });
});

describe('a relay that stops', () => {
  it('does not wait for a statement that hangs, on a connection that pipelines', async () => {
    const piped = createPool({
      url: system.postgresUrl,
      name: 'relay',
      connectionsMax: 1,
      transactionMsMax: 60_000,
    });
    await inTransaction(async (client) => {
      await client.query('LOCK TABLE outbox.relay IN ACCESS EXCLUSIVE MODE');
      const relay = startRelay({ pool: piped });
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await waitFor(async () => (await pool.query(waiting)).rowCount !== 0, {
        timeoutMs: 20_000,
        describe: 'a statement that hangs',
      });
      await relay.stop(50);
      expect((await pool.query(waiting)).rowCount).toBe(1);
    });
    await piped.end();
  });

  it('does not wait for a server that never answers', async () => {
    const accepted: Socket[] = [];
    const server = createServer((socket) => accepted.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const silent = new pg.Pool({ host: '127.0.0.1', port, max: 1 });
    const relay = startRelay({ pool: silent });
    await waitFor(() => accepted.length === 1, { timeoutMs: 20_000, describe: 'a connection' });
    await relay.stop(50);
    expect(relay.health().state).toBe('stopped');
    for (const socket of accepted) socket.destroy();
    server.close();
    await silent.end();
  });
});

describe('a publisher that takes some events', () => {
  let refuse: (id: string) => NotTakenReason | undefined;
  let refusing: MemoryEventPublisher;

  beforeEach(() => {
    refuse = () => undefined;
    refusing = new MemoryEventPublisher({ refuse: (_topic, id) => refuse(id) });
  });

  const taken = (): string[] => refusing.published.map(({ id }) => id);

  async function blockedRelay(options: Partial<OutboxRelayOptions> = {}): Promise<OutboxRelay> {
    const relay = startRelay({ publisher: refusing, ...options });
    await waitFor(() => relay.health().blockedMs > 0, { timeoutMs: 20_000, describe: 'a blocked relay' });
    return relay;
  }

  async function expectTaken(ids: readonly string[]): Promise<void> {
    await waitFor(() => taken().length >= ids.length, {
      timeoutMs: 20_000,
      describe: `${ids.length} events`,
    });
    expect(taken()).toEqual(ids);
  }

  it('makes no dead letter when it refuses all from the middle of a round on, and keeps the order', async () => {
    const asked: string[] = [];
    refuse = (id) => {
      asked.push(id);
      return asked.length > 3 ? 'refused' : undefined;
    };
    await add(...numbered(10));
    const relay = await blockedRelay();
    await waitFor(() => asked.length > 12, { timeoutMs: 20_000, describe: 'several rounds' });
    expect(taken()).toEqual(numbered(3));
    expect(await outbox.deadLetters(pool)).toEqual([]);
    expect(events).toContainEqual({ type: 'not-taken', events: 7, reason: 'refused' });
    refuse = () => undefined;
    await expectTaken(numbered(10));
    await waitFor(() => relay.health().blockedMs === 0, {
      timeoutMs: 20_000,
      describe: 'nothing in its way',
    });
  });

  it('has a dead letter of an event that alone is refused, also when it is the first of a later round', async () => {
    refuse = (id) => (id === 'e1' || id === 'e4' ? 'refused' : undefined);
    await add(...numbered(6));
    startRelay({ publisher: refusing });
    await expectTaken(['e0', 'e2', 'e3', 'e5']);
    await waitFor(async () => (await outbox.deadLetters(pool)).length === 2, {
      timeoutMs: 20_000,
      describe: 'two dead letters',
    });
  });

  it('has a dead letter of an invalid event, although nothing was taken before it', async () => {
    refuse = (id) => (id === 'e0' ? 'invalid' : undefined);
    await add(...numbered(3));
    startRelay({ publisher: refusing });
    await expectTaken(['e1', 'e2']);
    await waitFor(async () => (await outbox.deadLetters(pool)).length === 1, {
      timeoutMs: 20_000,
      describe: 'a dead letter',
    });
    expect(await outbox.deadLetters(pool)).toMatchObject([
      { eventId: 'e0', state: 'dead', reason: 'invalid' },
    ]);
  });

  it('does not keep a relay that stops, while it does not answer', async () => {
    await add('a', 'b');
    let isAsked = false;
    const silent = startRelay({
      publisher: {
        sendInOrder: () => {
          isAsked = true;
          return new Promise<never>(() => undefined);
        },
      },
    });
    await waitFor(() => isAsked, { timeoutMs: 20_000, describe: 'a publish' });
    await silent.stop(50);
    expect(silent.health().state).toBe('stopped');
    expect(events.filter(({ type }) => type === 'failed')).toEqual([]);
    startRelay({ publisher: refusing });
    await expectTaken(['a', 'b']);
  });

  it('says for how long it is blocked, when what was released is not taken', async () => {
    refuse = (id) => (id === 'e0' ? 'invalid' : undefined);
    await add('e0');
    const relay = startRelay({ publisher: refusing });
    await waitFor(() => events.some(({ type }) => type === 'dead-letter'), {
      timeoutMs: 20_000,
      describe: 'a dead letter',
    });
    refuse = () => 'no_answer';
    const [dead] = await outbox.deadLetters(pool);
    await outbox.release(pool, [dead?.number ?? '']);
    await waitFor(() => relay.health().blockedMs > 0, { timeoutMs: 20_000, describe: 'a blocked relay' });
    refuse = () => undefined;
    await expectTaken(['e0']);
    await waitFor(() => relay.health().blockedMs === 0, {
      timeoutMs: 20_000,
      describe: 'nothing in its way',
    });
  });

  it('says for how long it is blocked, while as many numbers are open as it may remember', async () => {
    let relay: OutboxRelay | undefined;
    await inTransaction(async (slow) => {
      await slow.query('SELECT outbox.next_event_number()');
      await pool.query(`INSERT INTO outbox.event (number, topic, event_id, body)
        SELECT 2 * n, 'orders', 'e' || n, '{"topic":"orders"}' FROM generate_series(1, 10000) AS n`);
      await pool.query('ANALYZE outbox.event');
      await pool.query('SELECT setval($1, 20001)', ['outbox.event_number']);
      await add('behind');
      relay = await blockedRelay();
      expect(events).toContainEqual({ type: 'transactions-open', ranges: 10_000 });
      expect(taken()).toHaveLength(10_000);
    }, 'ROLLBACK');
    await waitFor(() => taken().includes('behind'), { timeoutMs: 20_000, describe: 'the event behind' });
    await waitFor(() => relay?.health().blockedMs === 0, {
      timeoutMs: 20_000,
      describe: 'nothing in its way',
    });
  });
});

describe('the ring of segments', () => {
  it('is emptied behind the relay, and no segment with an event that is not published', async () => {
    const segment = 131_072;
    await pool.query(`SELECT setval('outbox.event_number', ${segment - 3})`);
    await add('a', 'b');
    const slow = await pool.connect();
    await slow.query('BEGIN');
    await outbox.add(slow, { topic: 'orders', id: 'slow', payload: {} });
    await pool.query(`SELECT setval('outbox.event_number', ${segment * 2})`);
    await add('c');
    const rowsIn = async (table: string): Promise<number> =>
      (await pool.query<{ count: number }>(`SELECT count(*)::int AS count FROM outbox.${table}`)).rows[0]
        ?.count ?? -1;
    startRelay();
    await expectEvents(['a', 'b', 'c']);
    expect(await rowsIn('event_0')).toBe(2);
    await slow.query('COMMIT');
    slow.release();
    await expectEvents(['a', 'b', 'c', 'slow']);
    await waitFor(async () => (await rowsIn('event_0')) === 0, {
      timeoutMs: 20_000,
      describe: 'an empty segment',
    });
    expect(await rowsIn('event_2')).toBe(1);
    // The ring comes round, to the segment of the beginning.
    await pool.query(`SELECT setval('outbox.event_number', ${segment * 16 + 5})`);
    await add('d');
    await expectEvents(['a', 'b', 'c', 'slow', 'd']);
  });
});

describe('a session of a relay', () => {
  it('reads no more bytes than it may hold, and says that there are more', async () => {
    const roomy = new Outbox({ source: 'shop', eventBytesMax: 1_000_000 });
    const payload = { text: 'x'.repeat(900_000) };
    const large = numbered(12).map((id) => ({ topic: 'orders', id, payload }));
    await inTransaction((client) => roomy.addAll(client, large));
    const session = await RelaySession.open(pool, outbox.tables, () => undefined);
    try {
      const first = await session.read({ passed: 0, open: [] }, 100, true);
      expect(first.reading).toMatchObject({ numbers: numbered(10).map((_, n) => n + 1), isCut: true });
      const rest = await session.read({ passed: 10, open: [] }, 100, true);
      expect(rest.reading).toMatchObject({ numbers: [11, 12], isCut: false });
    } finally {
      session.close();
    }
    startRelay();
    await expectEvents(numbered(12));
  });

  it('empties no segment with a number that may still be published', async () => {
    await add('a', 'b');
    await pool.query('SELECT setval($1, 300000)', ['outbox.event_number']);
    await add('c');
    const count = async (): Promise<number | null> =>
      (await pool.query('SELECT FROM outbox.event_0')).rowCount;
    const session = await RelaySession.open(pool, outbox.tables, () => undefined);
    try {
      expect(await session.lead()).toBe(true);
      const open = [{ from: 2, to: 2, until: 1_000 }];
      expect(await session.emptySegments({ passed: 300_001, open })).toEqual({ isLeft: true });
      expect(await count()).toBe(2);
      // An event behind the position, as of the ring's next round.
      expect(await session.emptySegments({ passed: 1, open: [] })).toEqual({ isLeft: true });
      expect(await count()).toBe(2);
      expect(await session.emptySegments({ passed: 300_001, open: [] })).toEqual({ isLeft: false });
      expect(await count()).toBe(0);
    } finally {
      session.close();
    }
  });
});

describe('creating an outbox', () => {
  it('leaves tables of other software alone, and names that no schema can have', async () => {
    await pool.query('CREATE SCHEMA taken; CREATE TABLE taken.event (id int)');
    await expect(new Outbox({ source: 'shop', schema: 'taken' }).create(pool)).rejects.toThrow(
      'taken.event exists already and is not the table of an outbox: give the outbox another schema',
    );
    expect(() => new Outbox({ source: 'shop', schema: 'pg_x' })).toThrow(
      /"pg_x" cannot be the schema of an outbox/,
    );
    await pool.query('DROP TABLE outbox.dead_letter');
    await expect(outbox.create(pool)).rejects.toThrow(/a table of the outbox in schema outbox is missing/);
  });
});

describe('roles that own nothing', () => {
  it('add and relay with the rights that the README names', async () => {
    const suffix = system.streamName.toLowerCase();
    await pool.query(`
CREATE ROLE adder_${suffix};
GRANT USAGE ON SCHEMA outbox TO adder_${suffix};
GRANT USAGE ON SEQUENCE outbox.event_number TO adder_${suffix};
GRANT INSERT ON outbox.event TO adder_${suffix};
CREATE ROLE relay_${suffix};
GRANT USAGE ON SCHEMA outbox TO relay_${suffix};
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA outbox TO relay_${suffix}`);
    const poolAs = (role: string): pg.Pool =>
      new pg.Pool({ connectionString: system.postgresUrl, max: 2, options: `-c role=${role}_${suffix}` });
    const [adding, relaying] = [poolAs('adder'), poolAs('relay')];
    relaying.on('error', () => undefined);
    try {
      await new Outbox({ source: 'shop' }).create(adding);
      const client = await adding.connect();
      await client.query(`BEGIN`);
      await outbox.add(client, { topic: 'orders', id: 'a', payload: {} });
      await client.query('COMMIT');
      await expect(client.query('SELECT FROM outbox.event')).rejects.toThrow('permission denied');
      client.release();
      await pool.query('SELECT setval($1, 140000)', ['outbox.event_number']);
      await add('b');
      const relay = startRelay({ pool: relaying });
      await expectEvents(['a', 'b']);
      await waitFor(async () => (await pool.query('SELECT FROM outbox.event_0')).rowCount === 0, {
        timeoutMs: 20_000,
        describe: 'an empty segment',
      });
      await relay.stop();
      expect(events.filter(({ type }) => type === 'failed')).toEqual([]);
    } finally {
      await Promise.all([adding.end(), relaying.end()]);
      for (const role of ['adder', 'relay'])
        await pool.query(`DROP OWNED BY ${role}_${suffix}; DROP ROLE ${role}_${suffix}`);
    }
  });
});
