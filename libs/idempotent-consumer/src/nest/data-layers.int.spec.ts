/** A handler's writes through a data layer are kept once for each event, as are its statements. */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { type Generated, Kysely, PostgresDialect } from 'kysely';
import { Column, DataSource, Entity, type EntityManager, PrimaryColumn } from 'typeorm';
import { z } from 'zod';
import { waitFor } from '#testing';
import { type DataLayer, typeOrm } from '../data-layer.js';
import type { Decoder, Message } from '../delivery.js';
import { HandlerFixture } from '../test/handler-fixture.js';
import type { BatchContext } from '../batch-context.js';
import type { InboxContext } from '../inbox-context.js';
import { OncePerEvent } from './once-per-event.js';

@Entity({ schema: 'public', name: 'account' })
class Account {
  @PrimaryColumn('text')
  id!: string;

  @Column('int')
  balance!: number;
}

const Payment = z.object({ id: z.string(), account: z.string(), amount: z.number() });
type Payment = z.infer<typeof Payment>;

@Controller()
class Balances {
  @OncePerEvent('balances', { schema: Payment })
  async apply(@Payload() payment: Payment, @Ctx() { manager }: InboxContext<EntityManager>): Promise<void> {
    await manager.increment(Account, { id: payment.account }, 'balance', payment.amount);
  }
}

const decodePayment: Decoder<unknown> = (delivery) => {
  const event = JSON.parse(Buffer.from(delivery.data).toString()) as Payment;
  return { ok: true, message: { delivery, topic: 'payments', eventId: event.id, digest: 1n, event } };
};

let fixture: HandlerFixture;
let dataSource: DataSource;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
  const { pool, postgresUrl } = fixture.system;
  await pool.query('CREATE TABLE public.account (id text PRIMARY KEY, balance int NOT NULL DEFAULT 0)');
  await pool.query(`INSERT INTO public.account VALUES ('alice', 0)`);
  dataSource = new DataSource({ type: 'postgres', url: postgresUrl, entities: [Account], poolSize: 1 });
  await dataSource.initialize();
});

afterEach(async () => {
  await dataSource.destroy();
  await fixture.dispose();
});

async function accounts(): Promise<string[]> {
  const { rows } = await fixture.system.pool.query<{ id: string; balance: number }>(
    'SELECT id, balance FROM public.account ORDER BY id',
  );
  return rows.map(({ id, balance }) => `${id} ${balance}`);
}

/** A decoder by which no two deliveries have the same content. */
const differing: Decoder<unknown> = (delivery) => {
  const read = fixture.decode(delivery);
  return read.ok ? { ok: true, message: { ...read.message, digest: BigInt(delivery.seq) } } : read;
};

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

describe('the EntityManager of TypeORM', () => {
  const transport = (): { dataLayer: DataLayer } => ({ dataLayer: typeOrm(dataSource) });

  it('works in the example of the README', async () => {
    await fixture.addConsumer('balances');
    await fixture.startNest([Balances], decodePayment, { transport: transport() });
    for (const [id, amount] of [
      ['p1', 5],
      ['p1', 5],
      ['p2', -2],
    ])
      await fixture.publish('payments', JSON.stringify({ id, account: 'alice', amount }));
    const settled = async (): Promise<number> =>
      (await fixture.rowsOf('balances', 'key')) + (await fixture.rowsOf('balances', 'duplicate'));
    await waitFor(async () => (await settled()) === 3, {
      timeoutMs: 20_000,
      describe: 'three payments settled',
    });
    expect(await accounts()).toEqual(['alice 3']);
  });

  it('writes in the transaction of the inbox: once for an event, and nothing when the handler throws', async () => {
    @Controller()
    class Accounts {
      @OncePerEvent('store')
      async apply(
        @Payload() id: string,
        @Ctx() { manager, transaction }: InboxContext<EntityManager>,
      ): Promise<void> {
        await manager.increment(Account, { id: 'alice' }, 'balance', 1);
        await manager.save(manager.create(Account, { id, balance: 7 }));
        const [own] = await manager.query<{ id: string }[]>('SELECT pg_current_xact_id()::text AS id');
        const { rows } = await transaction.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id');
        await transaction.query(KEEP, [own?.id === rows[0]?.id ? id : 'another transaction']);
        if (id === 'bad') throw new Error('not this one');
      }
    }

    await fixture.startNest([Accounts], fixture.decode, { transport: transport() });
    await fixture.send('a', 'a', 'bad', 'b');
    await fixture.settled(2, 1);
    await fixture.nothingUnsettled();
    expect(await accounts()).toEqual(['a 7', 'alice 2', 'b 7']);
    expect(await fixture.kept()).toEqual(['a', 'b']);
    expect([await fixture.rowsOf('store', 'key'), await fixture.rowsOf('store', 'duplicate')]).toEqual([
      2, 1,
    ]);
  });

  it('sets a savepoint for a transaction, and its rollback does not affect the inbox', async () => {
    @Controller()
    class Careful {
      @OncePerEvent('store', { batch: true })
      async apply(
        @Payload() fresh: Message<string>[],
        @Ctx() { manager }: BatchContext<EntityManager>,
      ): Promise<void> {
        for (const { eventId } of fresh) {
          await manager
            .transaction(async (inner) => {
              await inner.insert(Account, { id: 'never', balance: 0 });
              // Without the savepoint's wait, the inbox would record the repeats during this time.
              await inner.query('SELECT pg_sleep(0.2)');
              throw new Error('rolled back');
            })
            .catch(() => undefined);
          await manager.insert(Account, { id: eventId, balance: 1 });
        }
      }
    }

    // In one batch there are repeats with different content, which the inbox records in several steps during
    // the call.
    await fixture.send('a', 'a', 'b', 'b');
    await fixture.startNest([Careful], differing, { transport: transport() });
    await fixture.nothingUnsettled();
    expect(await accounts()).toEqual(['a 1', 'alice 0', 'b 1']);
    expect([await fixture.rowsOf('store', 'key'), await fixture.rowsOf('store', 'duplicate')]).toEqual([
      2, 2,
    ]);
  });

  it('throws after the end of the call, and names the handler', async () => {
    const managers: EntityManager[] = [];

    @Controller()
    class Leaky {
      @OncePerEvent('store')
      async apply(@Payload() id: string, @Ctx() { manager }: InboxContext<EntityManager>): Promise<void> {
        managers.push(manager);
        await manager.query(KEEP, [id]);
      }
    }

    await fixture.startNest([Leaky], fixture.decode, { transport: transport() });
    await fixture.send('a');
    await fixture.settled(1, 0);
    await expect(managers[0]?.increment(Account, { id: 'alice' }, 'balance', 1)).rejects.toThrow(
      /handler "store" had ended before it sent this statement.*UPDATE "public"\."account"/,
    );
    expect(await accounts()).toEqual(['alice 0']);
  });

  it('fails the event when the handler does not await a save', async () => {
    @Controller()
    class Hasty {
      @OncePerEvent('store')
      apply(@Payload() id: string, @Ctx() { manager }: InboxContext<EntityManager>): void {
        // It is sent some moments after this call has returned.
        void manager.save(manager.create(Account, { id, balance: 1 })).catch(() => undefined);
      }
    }

    await fixture.startNest([Hasty], fixture.decode, { transport: transport() });
    await fixture.send('a');
    const [letter] = await fixture.settled(0, 1);
    expect(letter?.detail).toMatch(/^handler "store" returned before this statement was answered: SELECT/);
    expect(await accounts()).toEqual(['alice 0']);
  });
});

interface Database {
  account: { id: string; balance: Generated<number> };
}

/** The README shows this data layer. */
const dataLayer: DataLayer<Kysely<Database>> = (transaction) => {
  const client = {
    query: (text: string, values: readonly unknown[]) => transaction.query(text, values),
    release: () => undefined,
  };
  const pool = { connect: () => Promise.resolve(client), end: () => Promise.resolve() };
  return new Kysely({ dialect: new PostgresDialect({ pool: pool as never }) });
};

describe('Kysely, through the port for any data layer,', () => {
  it('writes in the transaction of the inbox', async () => {
    @Controller()
    class Accounts {
      @OncePerEvent('store')
      async apply(
        @Payload() id: string,
        @Ctx() { manager, transaction }: InboxContext<Kysely<Database>>,
      ): Promise<void> {
        await manager.insertInto('account').values({ id }).execute();
        const { numUpdatedRows } = await manager
          .updateTable('account')
          .set(({ eb }) => ({ balance: eb('balance', '+', 1) }))
          .where('id', '=', 'alice')
          .executeTakeFirstOrThrow();
        await transaction.query(KEEP, [`${id} ${numUpdatedRows}`]);
        if (id === 'bad') throw new Error('not this one');
      }
    }

    await fixture.startNest([Accounts], fixture.decode, { transport: { dataLayer } });
    await fixture.send('a', 'bad', 'a', 'b');
    await fixture.settled(2, 1);
    await fixture.nothingUnsettled();
    expect(await accounts()).toEqual(['a 0', 'alice 2', 'b 0']);
    expect(await fixture.kept()).toEqual(['a 1', 'b 1']);
  });

  it('may not begin or end the transaction: the statement is not executed, and the error names the handler', async () => {
    @Controller()
    class Own {
      @OncePerEvent('store')
      async apply(@Payload() id: string, @Ctx() { manager }: InboxContext<Kysely<Database>>): Promise<void> {
        await manager
          .transaction()
          .execute((own) => own.insertInto('account').values({ id }).executeTakeFirst());
      }
    }

    await fixture.startNest([Own], fixture.decode, { transport: { dataLayer } });
    await fixture.send('a');
    const [letter] = await fixture.settled(0, 1);
    expect(letter?.detail).toMatch(/^handler "store" sent begin, which was not executed/);
    expect(await accounts()).toEqual(['alice 0']);
  });
});

describe('the manager of a context', () => {
  it('may send a statement after some moments: one that is not awaited still fails the event', async () => {
    const slow: DataLayer<{ keep(id: string): Promise<void> }> = (transaction) => ({
      keep: async (id) => {
        for (let moments = 0; moments < 200; moments++) await Promise.resolve();
        await transaction.query(KEEP, [id]);
      },
    });

    @Controller()
    class Hasty {
      @OncePerEvent('store')
      apply(@Payload() id: string, @Ctx() { manager }: InboxContext<ReturnType<typeof slow>>): void {
        void manager.keep(id).catch(() => undefined);
      }
    }

    await fixture.startNest([Hasty], fixture.decode, { transport: { dataLayer: slow } });
    await fixture.send('a');
    const [letter] = await fixture.settled(0, 1);
    expect(letter?.detail).toMatch(/^handler "store" returned before this statement was answered: INSERT/);
  });

  it('names the option dataLayer in its error when that was not given', async () => {
    @Controller()
    class None {
      @OncePerEvent('store')
      apply(@Ctx() { manager }: InboxContext): unknown {
        return manager;
      }
    }

    await fixture.startNest([None], fixture.decode);
    await fixture.send('a');
    expect((await fixture.settled(0, 1))[0]?.detail).toMatch(/give the transport an option dataLayer/);
  });
});
