/**
 * Another program takes every connection that Postgres has. If its user is a superuser, it takes those reserved for
 * superusers too.
 *
 *   take all that are free ─▶ end the sessions of all others ─▶ take those ─▶ held ─heal─▶ given back
 *
 * Without the second step only new connections would suffer. Pools with open connections would notice nothing.
 */
import type pg from 'pg';
import { JUDGE_NAME, judgeClient } from '../../system/sql-door.js';
import type { Target } from '../../system/target.js';
import type { Fault } from '../fault.js';
import { END_OTHER_SESSIONS } from './disturb-sessions.js';

const CONNECTIONS_MAX = 2_000;
const AT_ONCE = 8;
/** Clients whose sessions were ended come back at once, and may be faster than this program. */
const ROUNDS_MAX = 5;
const FULL_CODES = new Set(['53300', '53400']);

/** Leaves Postgres without a free connection. */
export const exhaustPostgres: Fault = {
  name: 'exhaust-postgres',
  what: 'another program holds every connection that Postgres has',
  touches: ['postgres'],
  holdMs: [3_000, 8_000],
  applies: () => true,
  async start(target) {
    const held: pg.Client[] = [];
    const giveBack = async (): Promise<void> => {
      const all = held.splice(0);
      await Promise.all(all.map((client) => client.end().catch(() => undefined)));
    };
    try {
      await takeAll(target, held);
    } catch (error) {
      await giveBack();
      throw error;
    }
    return { detail: `${held.length} connections`, heal: giveBack };
  },
};

async function takeAll(target: Target, held: pg.Client[]): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    await takeFree(target, held);
    const [first] = held;
    if (first === undefined) throw new Error('Postgres had no free connection to begin with');
    const { rowCount } = await first.query(END_OTHER_SESSIONS, [JUDGE_NAME]);
    if (rowCount === 0) return;
  }
  await takeFree(target, held);
}

async function takeFree(target: Target, held: pg.Client[]): Promise<void> {
  const takeOne = async (): Promise<boolean> => {
    const client = judgeClient(target.postgresUrl);
    try {
      await client.connect();
      held.push(client);
      return true;
    } catch (error) {
      if (!FULL_CODES.has(String((error as { code?: unknown }).code))) throw error;
      return false;
    }
  };
  while (held.length < CONNECTIONS_MAX) {
    const taken = await Promise.allSettled(Array.from({ length: AT_ONCE }, takeOne));
    const failed = taken.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    if (taken.some((one) => one.status === 'fulfilled' && !one.value)) return;
  }
}
