/** What a database administrator can do to all users at once: make the database read-only, or end all sessions. */
import type { Target } from '../../system/target.js';
import { JUDGE_NAME } from '../../system/sql-door.js';
import { until } from '../../system/deadline.js';
import { FaultNotApplicable, type Fault } from '../fault.js';

const EFFECT_MS_MAX = 5_000;
const HEAL_MS_MAX = 50_000;
const RETRY_MS = 500;
const INSUFFICIENT_PRIVILEGE = '42501';

/** Ends every session but those of `$1` and the one it runs in; returns one row for each. */
export const END_OTHER_SESSIONS = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> $1`;

/**
 * Every transaction is read-only, also in open sessions, as after a failover to a standby that was not promoted. It is
 * set for the whole server. A read-only session may take it back, because that writes no table.
 */
export const readOnlyPostgres: Fault = {
  name: 'read-only-postgres',
  what: 'Postgres refuses every write, as a standby does',
  touches: ['postgres'],
  holdMs: [3_000, 8_000],
  applies: () => true,
  async start(target) {
    try {
      await target.sql('ALTER SYSTEM SET default_transaction_read_only = on');
    } catch (error) {
      if ((error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE)
        throw new FaultNotApplicable('only a superuser may do this');
      throw error;
    }
    try {
      await reload(target, 'on');
    } catch (error) {
      await target.sql('ALTER SYSTEM RESET default_transaction_read_only').catch(() => undefined);
      throw error;
    }
    return { detail: 'the whole server', heal: () => makeWritable(target) };
  },
};

/** Every session ends, whatever it is doing. */
export const cutPostgresConnections: Fault = {
  name: 'cut-postgres-connections',
  what: 'Postgres ends every session, as a restarted pooler does',
  touches: ['postgres'],
  holdMs: [0, 1_000],
  applies: () => true,
  async start(target) {
    const ended = await target.sql(END_OTHER_SESSIONS, [JUDGE_NAME]);
    return { detail: `${ended.length} sessions`, heal: () => Promise.resolve() };
  },
};

async function makeWritable(target: Target): Promise<void> {
  const undo = async (): Promise<true> => {
    await target.sql('ALTER SYSTEM RESET default_transaction_read_only');
    await reload(target, 'off');
    return true;
  };
  await until(undo, { timeoutMs: HEAL_MS_MAX, what: 'Postgres to be writable', intervalMs: RETRY_MS });
}

async function reload(target: Target, expected: 'on' | 'off'): Promise<void> {
  await target.sql('SELECT pg_reload_conf()');
  const isSo = async (): Promise<boolean> => {
    const [row] = await target.sql('SHOW default_transaction_read_only');
    return row?.['default_transaction_read_only'] === expected;
  };
  await until(isSo, { timeoutMs: EFFECT_MS_MAX, what: `default_transaction_read_only to be ${expected}` });
}
