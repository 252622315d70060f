/** The inbox in Postgres and its in-memory twin keep one contract, and decide alike whatever is delivered. */
import { createTestSystem } from '#testing';
import { MemoryInbox } from './memory/memory-inbox.js';
import { createInbox } from './postgres/create-inbox.js';
import { Inbox } from './postgres/inbox.js';
import { deciderAgreement } from './test/decider-agreement.js';
import { deciderConformance, type Implementation, KEEP, REFUSED } from './test/decider-conformance.js';

let consumers = 0;

async function inPostgres(): Promise<Implementation> {
  const system = await createTestSystem({ replicas: 1 });
  await system.pool.query('CREATE TABLE public.kept (id text NOT NULL)');
  return {
    inboxFor: async (effect, handler) => {
      await system.pool.query('TRUNCATE public.kept');
      const tables = await createInbox(system.pool, { consumer: `c${++consumers}` });
      return new Inbox(system.pool, tables, effect, handler);
    },
    kept: async () => {
      const { rows } = await system.pool.query<{ id: string }>('SELECT id FROM public.kept ORDER BY id');
      return rows.map(({ id }) => id);
    },
    dispose: () => system.dispose(),
  };
}

function inMemory(): Promise<Implementation> {
  let inbox: MemoryInbox<string> | undefined;
  return Promise.resolve({
    inboxFor: (effect, handler) => {
      inbox = new MemoryInbox(effect, handler, ({ text }) => {
        if (text === REFUSED) throw new Error('division by zero');
        return [];
      });
      return Promise.resolve(inbox);
    },
    kept: () => {
      const kept = (inbox?.committed ?? []).filter(({ text }) => text === KEEP);
      return Promise.resolve(kept.map(({ values }) => String(values[0])).sort());
    },
    dispose: () => Promise.resolve(),
  });
}

deciderConformance('the inbox in Postgres', inPostgres);
deciderConformance('the inbox in memory', inMemory);
// Many more runs are in decider-agreement.slow.int.spec.ts.
deciderAgreement(25);
