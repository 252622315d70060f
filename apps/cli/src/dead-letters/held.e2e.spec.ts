/** `sekali dead-letters held` and `release` as processes, against the inbox of a consumer that keeps an order. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createInbox } from '#idempotent-consumer';
import { findRepositoryRoot } from '#local-cluster';
import { createTestSystem, type TestSystem } from '#testing';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const INBOX = ['--schema', 'ledger_inbox', '--consumer', 'ledger'];

let system: TestSystem;

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function sekali(...args: readonly string[]): Promise<Ended> {
  const env = { ...system.environment, PATH: process.env['PATH'] ?? '', NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, 'dead-letters', ...args],
      { env, timeout: 60_000 },
      (error, stdout, stderr) => {
        resolve({ code: error ? (error.code ?? null) : 0, stdout, stderr });
      },
    );
  });
}

beforeAll(async () => {
  system = await createTestSystem();
  const { pool } = system;
  await createInbox(pool, { schema: 'ledger_inbox', consumer: 'ledger', isOrdered: true });
  for (const [key, seq] of [
    ['ada', 4],
    ['bob', 7],
  ] as const) {
    await pool.query(
      `INSERT INTO ledger_inbox.ledger_dead_letter (stream_id, seq, topic, event_id, subject, reason, detail, headers, body, deliveries, published_at)
       VALUES (1, $1, 'payments', $2, 'events.payments', 'effect_failed', 'too much', '{"A":["b"]}', 'x', 1, now())`,
      [seq, `${key}-1`],
    );
    await pool.query(
      `INSERT INTO ledger_inbox.ledger_blocked (key, stream_id, seq, is_retry, blocked_at)
       VALUES ($1, 1, $2, false, now() + $2::bigint * interval '1 second')`,
      [key, seq],
    );
  }
});

async function keys(...args: readonly string[]): Promise<unknown> {
  const { stdout } = await sekali('held', ...INBOX, '--json', ...args);
  return JSON.parse(stdout) as unknown;
}

describe('sekali dead-letters', () => {
  it('lists held keys, the oldest first, and releases them in either way', async () => {
    const table = await sekali('held', ...INBOX);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).toMatch(
      / ada │ +0 │ payments │ +ada-1 │ effect_failed .*\n│ bob .*\n.*\n2 keys held\n$/,
    );
    expect(await keys('--limit', '1')).toMatchObject([{ key: 'ada', event_id: 'ada-1', waiting: 0, seq: 4 }]);
    expect(await sekali('release', 'ada', ...INBOX, '--again')).toEqual({
      ...{ code: 0, stderr: '' },
      stdout: 'Released ada.\n',
    });
    expect(await sekali('release', 'bob', ...INBOX, '--skip', '--json')).toMatchObject({ code: 0 });
    expect(await keys()).toEqual([]);
    const { rows } = await system.pool.query(
      `SELECT key, seq::int, event_id, convert_from(headers, 'UTF8') AS headers FROM ledger_inbox.ledger_parked`,
    );
    expect(rows).toEqual([{ key: 'ada', seq: 4, event_id: 'ada-1', headers: 'NATS/1.0\r\nA: b\r\n\r\n' }]);
    const { rows: letters } = await system.pool.query('SELECT event_id FROM ledger_inbox.ledger_dead_letter');
    expect(letters).toEqual([{ event_id: 'bob-1' }]);
  });

  it('says that a key is not held, that a way is missing, and that there is no such inbox', async () => {
    expect(await sekali('release', 'eve', ...INBOX, '--skip')).toMatchObject({
      ...{ code: 1, stderr: '' },
      stdout: 'eve is not held.\n',
    });
    const without = await sekali('release', 'ada', ...INBOX);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('--skip leaves it one')]);
    const other = await sekali('held', '--consumer', 'other');
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('no table of this consumer')]);
  });
});
