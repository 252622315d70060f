/** Programs say that they run, and audits what they found, in a real Postgres. */
import { describe, expect, it } from '@jest/globals';
import { createPool, type Queryable } from '#postgres';
import { createTestSystem, TcpProxy, waitFor } from '#testing';
import { keepAuditResult, keptAudits } from './audit-results.js';
import { knownPrograms, RunningProgram, type ProgramFigures } from './running-program.js';

const SOON = { timeoutMs: 20_000 };
const RESULT = { stream: 'EVENTS', sequences: 5, inFlight: 0, seconds: 0.2, host: 'here' };

const nothing = (): ProgramFigures => ({ broker: undefined, state: 'idle', held: 0, messages: 0 });

/** Makes a row as old as that of a program that was killed then. */
async function age(database: Queryable, kind: string, minutes: number): Promise<void> {
  const text = `UPDATE sekali.program SET seen_at = now() - make_interval(mins => $2) WHERE kind = $1`;
  await database.query(text, [kind, minutes]);
}

describe('a running program', () => {
  it('has a row with what it does, until it is stopped', async () => {
    const { pool } = await createTestSystem({ replicas: 1 });
    let figures: ProgramFigures = { broker: 'n'.repeat(5_000), state: 'working', held: 3, messages: 100 };
    const onOutage = (error: unknown): void => {
      throw error;
    };
    const program = new RunningProgram(pool, {
      ...{ kind: 'worker', figures: () => figures, onOutage, everyMs: 50 },
    });
    program.start();
    const only = async (): Promise<Record<string, unknown>> => ({ ...(await knownPrograms(pool, 5))[0] });
    await waitFor(async () => (await only())['held'] === 3, { ...SOON, describe: 'its row' });
    const first = await only();
    expect(first).toMatchObject({
      kind: 'worker',
      process: process.pid,
      state: 'working',
      retentionAt: null,
    });
    expect(String(first['broker']).length).toBeLessThan(256);
    figures = { broker: 'n1', state: 'idle', held: 0, messages: 700, retentionAtMs: Date.UTC(2026, 10, 22) };
    await waitFor(async () => (await only())['broker'] === 'n1', { ...SOON, describe: 'its next row' });
    expect(await only()).toMatchObject({
      ...{ state: 'idle', held: 0, messages: 700, startedAt: first['startedAt'] },
      retentionAt: new Date('2026-11-22'),
    });
    await program.stop();
    expect(await knownPrograms(pool, 5)).toEqual([]);
  });

  it('leaves its row where it was killed, and others discard it after an hour', async () => {
    const { pool } = await createTestSystem({ replicas: 1 });
    const options = { figures: nothing, onOutage: () => undefined };
    const killed = new RunningProgram(pool, { ...options, kind: 'gateway', everyMs: 3_600_000 });
    killed.start();
    const kinds = async (): Promise<string[]> => (await knownPrograms(pool, 5)).map(({ kind }) => kind);
    await waitFor(async () => (await kinds()).length === 1, { ...SOON, describe: 'its row' });
    await age(pool, 'gateway', 59);
    const other = new RunningProgram(pool, { ...options, kind: 'worker', everyMs: 50 });
    other.start();
    await waitFor(async () => (await kinds()).length === 2, { ...SOON, describe: 'both rows' });
    // Those that are silent come last, so that they never hide one that runs.
    const silent = (await knownPrograms(pool, 5)).at(-1);
    expect(silent?.seenSeconds).toBeGreaterThan(3_500);
    await age(pool, 'gateway', 61);
    await waitFor(async () => (await kinds()).join() === 'worker', { ...SOON, describe: 'one row' });
    await Promise.all([killed.stop(), other.stop()]);
  });

  it('says an outage once, and writes its row when it is over', async () => {
    const { pool, postgresUrl } = await createTestSystem({ replicas: 1 });
    const url = new URL(postgresUrl);
    const proxy = await TcpProxy.start(Number(url.port));
    url.port = String(proxy.port);
    const own = createPool({ url: url.href, name: 'test', connectionsMax: 1, transactionMsMax: 2_000 });
    const outages: unknown[] = [];
    const program = new RunningProgram(own, {
      ...{ kind: 'worker', figures: nothing, everyMs: 20 },
      onOutage: (error) => outages.push(error),
    });
    try {
      proxy.refuse();
      program.start();
      await waitFor(() => outages.length === 1, { ...SOON, describe: 'the outage' });
      proxy.heal();
      await waitFor(async () => (await knownPrograms(pool, 5)).length === 1, {
        ...SOON,
        describe: 'its row',
      });
      expect(outages).toHaveLength(1);
    } finally {
      await program.stop();
      await own.end();
      await proxy.stop();
    }
  });
});

describe('the results of audits', () => {
  it('are kept, the newest hundred', async () => {
    const { pool } = await createTestSystem({ replicas: 1 });
    for (let n = 1; n <= 103; n++)
      await keepAuditResult(pool, { ...RESULT, verdict: 'whole', summary: `number ${n}` });
    await keepAuditResult(pool, { ...RESULT, verdict: 'violated', summary: 'x'.repeat(9_000) });
    const kept = await keptAudits(pool, 1_000);
    expect(kept).toHaveLength(100);
    expect(kept[0]).toMatchObject({ ...RESULT, verdict: 'violated', role: expect.any(String) });
    expect(kept[0]?.summary).toHaveLength(4_000);
    expect(kept.at(-1)?.summary).toBe('number 5');
  });

  it('are kept by a role whose sessions only read', async () => {
    const { pool, postgresUrl } = await createTestSystem({ replicas: 1 });
    const url = new URL(postgresUrl);
    url.searchParams.set('options', '-c default_transaction_read_only=on');
    const own = createPool({ url: url.href, name: 'test', connectionsMax: 1, transactionMsMax: 2_000 });
    try {
      await expect(own.query('CREATE TABLE written (number integer)')).rejects.toMatchObject({
        code: '25006',
      });
      await keepAuditResult(own, { ...RESULT, verdict: 'whole', summary: 'read' });
      expect(await keptAudits(pool, 1)).toMatchObject([{ summary: 'read' }]);
    } finally {
      await own.end();
    }
  });
});
