/** The tarball of the library, in a project of Nest and in one without, which have nothing else of this repository. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import {
  type InstalledPackage,
  NEST_PEERS,
  PACKAGE_NAME as NAME,
  PEERS,
  Tarball,
} from './test/installed-package.js';

const PAYMENTS = 2_000;
const ADD = 'UPDATE balance SET amount = amount + $1, payments = payments + 1';

/** With it a service takes seconds for its payments, so that it is not done before it is killed. */
const SLOW_PAYMENTS = `
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.004); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE UPDATE ON balance FOR EACH ROW EXECUTE FUNCTION slow()`;

const SURROUNDINGS = `
const pool = new pg.Pool({ connectionString: process.env.POSTGRES_URL, max: 8 });
pool.on('error', () => undefined);
const connection = await connect({ servers: (process.env.NATS_URLS ?? '').split(','), maxReconnectAttempts: -1 });
const at = { connection, pool, stream: process.env.STREAM ?? '', ackWaitMs: 2_000 };
`;

/** A service of Nest: each payment adds to a balance. */
const NEST_SERVICE = `import 'reflect-metadata';
import { connect } from '@nats-io/transport-node';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, type MicroserviceOptions, Payload } from '@nestjs/microservices';
import pg from 'pg';
import { ErrorPassage, InboxContext, OncePerEvent, ownInboxes, PullConsumerStrategy } from '${NAME}';

@Controller()
class Balances {
  @OncePerEvent('balances')
  async apply(@Payload() payment: { amount: number }, @Ctx() { transaction }: InboxContext): Promise<void> {
    await transaction.query('${ADD}', [payment.amount]);
  }
}

@Module({ controllers: [Balances] })
class Service {}
${SURROUNDINGS}
const app = await NestFactory.createMicroservice<MicroserviceOptions>(Service, {
  logger: ['error', 'warn'],
  strategy: new PullConsumerStrategy({ ...at, ...ownInboxes(at), settings: { batchSize: 20 } }),
});
app.useGlobalFilters(new ErrorPassage());
await app.listen();
`;

/** The same without Nest. */
const PLAIN_SERVICE = `import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { createConsumer, ownInboxes } from '${NAME}/core';
${SURROUNDINGS}
const consumer = createConsumer({
  ...{ ...at, ...ownInboxes(at), name: 'balances', settings: { batchSize: 20 } },
  handler: async (payment: { amount: number }, { transaction }) => {
    await transaction.query('${ADD}', [payment.amount]);
  },
});
await consumer.start();
`;

const NEST_HANDLER = `import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { type InboxContext, OncePerEvent, Poison } from '${NAME}';
import { TestConsumer } from '${NAME}/testing';

interface Payment { account: string; amount: number }

@Controller()
export class Balances {
  @OncePerEvent('balances', { subjects: 'payments.>' })
  async apply(@Payload() payment: Payment, @Ctx() { transaction }: InboxContext): Promise<void> {
    if (!Number.isSafeInteger(payment.amount)) throw new Poison('amount is not a whole number');
    await transaction.query('${ADD}', [payment.amount]);
  }
}

export const consumer = new TestConsumer<Payment>((payment, context) => new Balances().apply(payment, context));
`;

const PLAIN_HANDLER = `import type { NatsConnection } from '@nats-io/nats-core';
import type { ClientBase, Pool } from 'pg';
import { createConsumer, type EventConsumer } from '${NAME}/core';
import { Outbox, OutboxRelay, StreamEventPublisher } from '${NAME}/producer';
import { TestConsumer } from '${NAME}/testing';

const schema = { parse: (value: unknown) => value as { amount: number } };

export function balances(connection: NatsConnection, pool: Pool): EventConsumer {
  return createConsumer({
    ...{ connection, pool, stream: 'PAYMENTS', name: 'balances', subjects: 'payments.>', schema },
    // The schema says what the payment is.
    handler: async ({ amount }, { transaction }) => {
      await transaction.query('${ADD}', [amount.toFixed(0)]);
    },
  });
}

export function totals(connection: NatsConnection, pool: Pool): EventConsumer {
  return createConsumer({
    ...{ connection, pool, stream: 'PAYMENTS', name: 'totals', schema },
    batch: true,
    handler: async (payments, { transaction }) => {
      await transaction.query('${ADD}', [payments.reduce((sum, { event }) => sum + event.amount, 0)]);
    },
  });
}

export const consumer = new TestConsumer<{ amount: number }>(() => undefined);

const outbox = new Outbox({ source: 'shop', schemas: { paid: schema } });

export async function pay(client: ClientBase, amount: number): Promise<string> {
  return outbox.add(client, { topic: 'paid', payload: { amount } });
}

export function relay(connection: NatsConnection, pool: Pool): OutboxRelay {
  const publisher = new StreamEventPublisher({ connection, stream: 'PAYMENTS', source: 'shop' });
  return new OutboxRelay({ pool, outbox, publisher });
}
`;

const PROJECTS = [
  { what: 'of Nest', peers: [...PEERS, ...NEST_PEERS], service: NEST_SERVICE, handler: NEST_HANDLER },
  { what: 'without Nest', peers: PEERS, service: PLAIN_SERVICE, handler: PLAIN_HANDLER },
] as const;

let tarball: Tarball;
let projects: readonly InstalledPackage[];

beforeAll(() => {
  tarball = Tarball.pack();
  projects = PROJECTS.map(({ peers }, n) => tarball.install(`service-${n}`, peers));
});

afterAll(() => {
  tarball.remove();
});

function project(n: number): InstalledPackage {
  const found = projects[n];
  if (!found) throw new Error(`there are ${projects.length} projects`);
  return found;
}

describe('the tarball of the library', () => {
  it('holds the library, with types and source maps, and nothing else', () => {
    const { paths } = tarball;
    const others = paths.filter((path) => !/^dist\/(idempotent-consumer|postgres|waiting)\/src\//.test(path));
    expect([...others].sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
    expect(paths.filter((path) => /\.spec\.|\/test\//.test(path))).toEqual([]);
    for (const path of paths.filter((one) => one.endsWith('.js'))) {
      expect(paths).toContain(`${path}.map`);
      expect(paths).toContain(path.replace(/js$/, 'd.ts'));
    }
  });

  it('runs nothing when it is installed, and leaves the choice of every dependency to its user', () => {
    const { scripts, dependencies } = project(0).manifest();
    expect(Object.keys(scripts as object)).toEqual(['prepack']);
    expect(dependencies).toBeUndefined();
  });

  it('refuses an import of its inner parts', () => {
    const text = `export { Inbox } from '${NAME}/parts';\n`;
    expect(project(0).compile('inner.ts', text)).toMatch(/^inner\.ts\(1,\d+\): error TS2307/);
  });
});

describe.each(PROJECTS.map(({ what, service, handler }, n) => ({ what, n, service, handler })))(
  'a service $what that installed the library',
  ({ n, service, handler }) => {
    let system: TestSystem;

    beforeAll(async () => {
      system = await createTestSystem();
      // Nothing of the aggregator is there.
      await system.pool.query('DROP SCHEMA sekali CASCADE');
      await system.pool.query('CREATE TABLE balance AS SELECT 0::bigint AS amount, 0 AS payments');
      await system.pool.query(SLOW_PAYMENTS);
    });

    afterEach(() => project(n).kill());

    afterAll(async () => {
      await system.dispose();
    });

    async function balance(): Promise<{ amount: number; payments: number }> {
      const { rows } = await system.pool.query<{ amount: number; payments: number }>(
        'SELECT amount::int AS amount, payments FROM balance',
      );
      return rows[0] ?? { amount: NaN, payments: NaN };
    }

    it('compiles in a strict project that checks the types of its libraries, too', () => {
      expect(project(n).compile('handler.ts', handler)).toBe('');
      const wrong = `import { Poison } from '${NAME}${n === 0 ? '' : '/core'}';\nexport const poison = new Poison();\n`;
      expect(project(n).compile('wrong.ts', wrong)).toMatch(/^wrong\.ts\(2,\d+\): error TS2554/);
    });

    it('adds every payment once, although it is killed in the middle', async () => {
      expect(project(n).compile('service.ts', service, { noEmit: false, skipLibCheck: true })).toBe('');
      const { natsUrls, postgresUrl, streamName } = system;
      const environment = { NATS_URLS: natsUrls.join(','), POSTGRES_URL: postgresUrl, STREAM: streamName };
      const js = jetstream(system.connection);
      const publish = (amount: number): Promise<unknown> =>
        js.publish(`${system.subjectPrefix}.payments`, JSON.stringify({ amount }), { msgID: `p-${amount}` });
      await Promise.all(Array.from({ length: PAYMENTS }, (_, amount) => publish(amount)));
      for (const share of [0.1, 0.4]) {
        project(n).start('service.js', environment);
        const isMiddle = async (): Promise<boolean> => (await balance()).payments >= share * PAYMENTS;
        await waitFor(isMiddle, { timeoutMs: 60_000, describe: `a share of ${share} of the payments` });
        await project(n).kill();
      }
      expect((await balance()).payments).toBeLessThan(PAYMENTS);
      await system.pool.query('DROP TRIGGER slow ON balance');
      project(n).start('service.js', environment);
      await waitFor(async () => (await balance()).payments >= PAYMENTS, {
        timeoutMs: 60_000,
        describe: 'every payment',
      });
      // What the killed processes held is delivered again by then.
      const inbox = 'SELECT count(*)::int AS keys FROM inbox.balances_key';
      expect((await system.pool.query(inbox)).rows).toEqual([{ keys: PAYMENTS }]);
      expect(await balance()).toEqual({ amount: (PAYMENTS * (PAYMENTS - 1)) / 2, payments: PAYMENTS });
    });
  },
);
