/** The system as a gateway shows it: who runs, what each does, and what does not answer. */
import { describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type ApiKeyEntry, type SystemView } from '#contracts';
import { insertApiKeys, keepAuditResult, writeRetentionRules } from '#store';
import { createTestSystem, startApp, waitFor } from '#testing';
import { event, problemOf, RunningGateway } from '../test/running-gateway.js';

const SOON = { timeoutMs: 60_000 };

async function systemOf(gateway: RunningGateway): Promise<SystemView> {
  const answer = await gateway.get('/system');
  if (answer.status !== 200) throw new Error(answer.text);
  return JSON.parse(answer.text) as SystemView;
}

describe('GET /system', () => {
  it('shows brokers, database, gateways and workers, until these end', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start(system.environment);
    const worker = await startApp('worker', system.environment);
    await gateway.publish([event('1'), event('2')]);
    let shown: SystemView = await systemOf(gateway);
    await waitFor(
      async () => {
        shown = await systemOf(gateway);
        const { workers, gateways, brokers } = shown;
        const areDone = [workers?.[0], gateways?.[0]].every((it) => it?.messages === 2 && it.held === 0);
        const leaders = brokers?.members.filter(({ stream }) => stream === 'leader');
        return areDone && brokers?.quorum.answering === 3 && leaders?.length === 1;
      },
      { ...SOON, describe: 'what each has done, while all brokers answer' },
    );
    const { brokers, database, gateways, workers, more_programs, audits } = shown;
    expect(brokers).toMatchObject({
      stream: { name: system.streamName, messages: 2, last_seq: 2 },
      consumer: { name: system.consumerName, undelivered: 0 },
      quorum: { members: 3, answering: 3, needed: 2 },
    });
    const roles = brokers?.members.map(({ stream }) => stream).sort();
    expect(roles).toEqual(['leader', 'replica', 'replica']);
    expect(database?.days).toBeGreaterThanOrEqual(8);
    expect(database).toMatchObject({ standbys: 0, version: expect.stringMatching(/^\d+/) });
    expect(gateways).toEqual([
      expect.objectContaining({ process: process.pid, state: 'connected', held: 0 }),
    ]);
    const names = brokers?.members.map(({ name }) => name);
    expect(workers).toEqual([expect.objectContaining({ process: worker.pid, state: 'idle', held: 0 })]);
    expect(names).toContain(workers?.[0]?.broker);
    expect([more_programs, audits]).toEqual([false, []]);
    await worker.stop();
    // A reading may be kept for some seconds.
    await waitFor(async () => (await systemOf(gateway)).workers?.length === 0, {
      ...SOON,
      describe: 'the row of the worker to be gone',
    });
  });

  it('shows the rules of retention, and the newest audits', async () => {
    const system = await createTestSystem({ replicas: 1 });
    const gateway = await RunningGateway.start(system.environment);
    const rules = [{ pattern: 'logs.>', days: 7 }];
    await writeRetentionRules(system.pool, rules);
    const found = { stream: 's', sequences: 9, inFlight: 1, seconds: 2.5, host: 'here' };
    for (const summary of ['first', 'second'])
      await keepAuditResult(system.pool, { ...found, verdict: 'whole', summary });
    const { retention, audits } = await systemOf(gateway);
    expect(retention).toEqual({
      payloads: rules,
      rows: { duplicate: null, conflict: null, dead_letter: null },
    });
    expect(audits?.map(({ summary }) => summary)).toEqual(['second', 'first']);
    expect(audits?.[0]).toMatchObject({ verdict: 'whole', in_flight: 1, seconds: 2.5, host: 'here' });
  });

  it('has null for what does not answer', async () => {
    const unreachable = {
      SEKALI_NATS_URLS: 'nats://127.0.0.1:1',
      SEKALI_POSTGRES_URL: 'postgresql://absent@127.0.0.1:1/none',
    };
    const { environment } = await createTestSystem({ replicas: 1 });
    const gateway = await RunningGateway.start({ ...environment, ...unreachable }, false);
    expect(await systemOf(gateway)).toEqual({
      ...{ brokers: null, database: null, gateways: null, workers: null },
      ...{ more_programs: false, retention: null, audits: null },
    });
  });

  it('needs a key for all topics', async () => {
    const system = await createTestSystem({ replicas: 1 });
    const token = newApiKeyToken();
    const entry = { key_id: apiKeyIdOf(token), name: 'test', scopes: ['read'], hash: apiKeyHash(token) };
    await insertApiKeys(system.pool, [{ ...entry, topics: ['a'] } as unknown as ApiKeyEntry]);
    const keys = { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
    const gateway = await RunningGateway.start({ ...system.environment, ...keys });
    expect((await gateway.get('/system')).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    expect(problemOf(await gateway.get('/system', { headers }))).toMatchObject({ status: 403 });
  });
});
