/** The handler of Nest that the README shows for an order, and how its keys are released. */
import 'reflect-metadata';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type pg from 'pg';
import { z } from 'zod';
import { waitFor } from '#testing';
import type { Decoder } from '../delivery.js';
import { InboxContext } from '../inbox-context.js';
import { OptionsError } from '../options-error.js';
import { heldKeys, releaseKey } from '../order/held-keys.js';
import { orderTables, refuseParked } from '../order/order-tables.js';
import { createInbox } from '../postgres/create-inbox.js';
import { HandlerFixture } from '../test/handler-fixture.js';
import { OncePerEvent } from './once-per-event.js';

const Payment = z.object({ account: z.string(), amount: z.number() });
type Payment = z.infer<typeof Payment>;

@Controller()
class Ledger {
  @OncePerEvent('ledger', { orderBy: ({ account }: Payment) => account, schema: Payment })
  async append(@Payload() { account, amount }: Payment, @Ctx() { transaction }: InboxContext): Promise<void> {
    await transaction.query('INSERT INTO public.entry (account, amount) VALUES ($1, $2)', [account, amount]);
  }
}

@Controller()
class HeldLedger {
  @OncePerEvent('ledger', {
    orderBy: ({ account }: Payment) => account,
    schema: Payment,
    onDeadLetter: 'hold',
  })
  async append(@Payload() { account, amount }: Payment, @Ctx() { transaction }: InboxContext): Promise<void> {
    await transaction.query('INSERT INTO public.entry (account, amount) VALUES ($1, $2)', [account, amount]);
    if (amount > 1_000) throw new TypeError('too much');
  }
}

async function releaseAll(pool: pg.Pool, how: 'skip' | 'again'): Promise<void> {
  const name = { consumer: 'ledger' };
  for (const { key } of await heldKeys(pool, name)) await releaseKey(pool, name, key, how);
}

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
  await fixture.addConsumer('ledger');
  await fixture.system.pool.query(
    'CREATE TABLE public.entry (number bigint GENERATED ALWAYS AS IDENTITY, account text, amount integer)',
  );
});

afterEach(async () => {
  await fixture.dispose();
});

/** The body is the event, and its id as well. */
const decode: Decoder<unknown> = (delivery) => {
  const eventId = Buffer.from(delivery.data).toString();
  return {
    ok: true,
    message: { delivery, topic: 'payments', eventId, digest: 1n, event: JSON.parse(eventId) as unknown },
  };
};

const transport = {
  orderTablesOf: (consumer: string) => orderTables({ consumer }),
  prepare: async (consumer: string, isOrdered?: boolean) => {
    await createInbox(fixture.system.pool, { consumer, isOrdered: isOrdered === true });
  },
};

async function pay(...amounts: readonly number[]): Promise<void> {
  for (const amount of amounts) await fixture.publish('payments', JSON.stringify({ account: 'ada', amount }));
}

/** Waits for as many entries. @returns their amounts, in the order in which they were written */
async function entriesOf(count: number): Promise<number[]> {
  const entries = async (): Promise<number[]> => {
    const { rows } = await fixture.system.pool.query<{ amount: number }>(
      'SELECT amount FROM public.entry ORDER BY number',
    );
    return rows.map(({ amount }) => amount);
  };
  await waitFor(async () => (await entries()).length >= count, {
    timeoutMs: 30_000,
    describe: `${count} entries`,
  });
  return entries();
}

it('applies the events of a key in the order of the stream', async () => {
  const amounts = Array.from({ length: 250 }, (_, n) => n);
  await pay(...amounts);
  await fixture.startNest([Ledger], decode, { transport });
  expect(await entriesOf(250)).toEqual(amounts);
});

it('holds a key behind a dead letter, until it is released', async () => {
  await pay(1, 5_000, 2);
  await fixture.startNest([HeldLedger], decode, { transport });
  const { pool } = fixture.system;
  await waitFor(async () => (await heldKeys(pool, { consumer: 'ledger' })).length === 1, {
    timeoutMs: 30_000,
    describe: 'the key to be held',
  });
  expect(await entriesOf(1)).toEqual([1]);
  await releaseAll(pool, 'skip');
  expect(await entriesOf(2)).toEqual([1, 2]);
});

it('is refused where the inbox has no tables for an order', async () => {
  const starting = fixture.startNest([Ledger], decode);
  await expect(starting).rejects.toThrow(OptionsError);
  await expect(starting).rejects.toThrow(
    /handler "ledger" has orderBy, and its inbox has no tables for an order: give orderTablesOf/,
  );
});

it('is refused without orderBy while events are parked', async () => {
  await createInbox(fixture.system.pool, { consumer: 'ledger', isOrdered: true });
  await fixture.system.pool.query(
    `INSERT INTO inbox.ledger_parked VALUES (1, 1, 'k', 'a', 'e', 's', NULL, '', 1, now())`,
  );
  await expect(refuseParked(fixture.system.pool, { consumer: 'ledger' })).rejects.toThrow(
    /ledger_parked" has events that wait for their turn, and handler "ledger" has no orderBy/,
  );
});
