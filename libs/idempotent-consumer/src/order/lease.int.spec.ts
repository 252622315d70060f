/** What keeps two processes from deciding at the same time, whatever each of them believes. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import type { Delivery, Message } from '../delivery.js';
import { createInbox } from '../postgres/create-inbox.js';
import { Inbox } from '../postgres/inbox.js';
import { EventOrder } from './event-order.js';
import { Lease } from './lease.js';
import { LeaseLostError } from './order-lost-error.js';
import { orderTables } from './order-tables.js';

const NAME = { consumer: 'leased', isOrdered: true };
const LEASE_MS = 100;
const STREAM_ID = 1;

let system: TestSystem;
let pool: pg.Pool;

beforeEach(async () => {
  system = await createTestSystem();
  pool = new pg.Pool({ connectionString: system.postgresUrl, max: 6 });
  await system.pool.query('CREATE TABLE public.kept (id text NOT NULL)');
  await createInbox(pool, NAME);
});

afterEach(async () => {
  await pool.end();
  await system.dispose();
});

interface Process {
  readonly lease: Lease;
  decide(seq: number): Promise<unknown>;
}

/** @param during called within the transaction of each event */
async function processWith(during: () => Promise<void> = () => Promise.resolve()): Promise<Process> {
  const tables = await createInbox(pool, NAME);
  const lease = new Lease(pool, orderTables(NAME), LEASE_MS);
  const order = new EventOrder(orderTables(NAME), lease, 'skip', () => false);
  const effect = {
    applyOne: async (
      { eventId }: Message<string>,
      on: { query: (text: string, values: unknown[]) => Promise<unknown> },
    ) => {
      await on.query('INSERT INTO public.kept VALUES ($1)', [eventId]);
      await during();
    },
  };
  const inbox = new Inbox(pool, tables, effect, {}, undefined, order);
  return {
    lease,
    decide: (seq) => inbox.process(STREAM_ID, { messages: [messageOf(seq)], poison: [] }),
  };
}

function messageOf(seq: number): Message<string> {
  const delivery = {
    ...{ seq, subject: 'events.a', data: new Uint8Array(), deliveryCount: 1, publishedAt: new Date(0) },
    headerBytes: () => undefined,
  } as unknown as Delivery;
  return { delivery, topic: 'a', eventId: `e${seq}`, digest: 1n, event: 'e', orderKey: 'k' };
}

async function kept(): Promise<string[]> {
  const { rows } = await system.pool.query<{ id: string }>('SELECT id FROM public.kept ORDER BY id');
  return rows.map(({ id }) => id);
}

describe('a lease', () => {
  it('is of one process, until it is released', async () => {
    const [one, other] = [await processWith(), await processWith()];
    expect([await one.lease.take(), await one.lease.take()]).toEqual([true, true]);
    await one.lease.renew();
    await one.lease.release();
    expect(await other.lease.take()).toBe(true);
    expect(other.lease.current?.ended).toBe(0);
    await expect(one.decide(1)).rejects.toThrow(LeaseLostError);
  });

  it('that ran out is taken by another process, and a transaction of the first one is not committed', async () => {
    const [stopped, other] = [await processWith(), await processWith()];
    await stopped.lease.take();
    await stopped.decide(1);
    await waitFor(() => other.lease.take(), { timeoutMs: 20_000, describe: 'the lease to run out' });
    expect(other.lease.current?.ended).toBe(1);
    await expect(stopped.decide(2)).rejects.toThrow(LeaseLostError);
    await other.decide(2);
    expect(await kept()).toEqual(['e1', 'e2']);
    expect(stopped.lease.current).toBeUndefined();
  });

  it('stays with a process whose transaction is open, however long it takes', async () => {
    let goOn = (): void => undefined;
    const gone = new Promise<void>((resolve) => (goOn = resolve));
    let isOpen = false;
    const slow = await processWith(() => {
      isOpen = true;
      return gone;
    });
    const other = await processWith();
    await slow.lease.take();
    const deciding = slow.decide(1);
    const isOver = `SELECT clock_timestamp() > until AS over FROM inbox.leased_lease`;
    await waitFor(
      async () => isOpen && (await system.pool.query<{ over: boolean }>(isOver)).rows[0]?.over === true,
      { timeoutMs: 20_000, describe: 'the lease to run out' },
    );
    expect(await other.lease.take()).toBe(false);
    goOn();
    await deciding;
    expect(await kept()).toEqual(['e1']);
  });
});
