/** Worker processes are killed, frozen or stopped, or a message makes them end. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { type App, createTestSystem, inBackground, startApp, type TestSystem, waitFor } from '#testing';
import {
  ledgerBecomes,
  ledgerOf,
  nothingUnsettled,
  publishEvent,
  readLedger,
  unsettled,
} from './test/consumer-fixture.js';

const ackWaitMs = 2_000;
const SENT_AT_ONCE = 100;
let system: TestSystem;
const workers: App[] = [];

beforeEach(async () => {
  system = await createTestSystem({
    ackWaitMs,
    settings: { SEKALI_TRANSACTION_MS_MAX: '1500', SEKALI_BATCH_SIZE: '50', SEKALI_PREFETCH: '200' },
  });
});

afterEach(async () => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
  await system.dispose();
});

async function startWorker(fault = 'none', untilReady = true): Promise<App> {
  const worker = await startApp('worker', system.environment, {
    program: 'judged/faulty-worker.js',
    programArguments: [fault],
    untilReady,
  });
  workers.push(worker);
  return worker;
}

/** A publish waits two seconds for its answer, so not all are sent at once. */
async function send(count: number, from = 0): Promise<void> {
  const ids = Array.from({ length: count }, (_, n) => `e${from + n}`);
  for (let at = 0; at < count; at += SENT_AT_ONCE)
    await Promise.all(ids.slice(at, at + SENT_AT_ONCE).map((id) => publishEvent(system, { id })));
}

describe('a worker process', () => {
  it('that is killed before the commit leaves no rows, and another one stores everything once', async () => {
    await send(100);
    const killed = await startWorker('kill-before-commit', false);
    expect(await killed.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(await readLedger(system.pool)).toEqual(ledgerOf(0));
    await startWorker();
    await ledgerBecomes(system, ledgerOf(100));
    await nothingUnsettled(system);
  });

  it('that is killed between commit and ack costs redeliveries that change nothing', async () => {
    await send(100);
    const killed = await startWorker('kill-before-ack', false);
    expect(await killed.exited).toMatchObject({ signal: 'SIGKILL' });
    const committed = await readLedger(system.pool);
    expect(committed.stored).toBeGreaterThan(0);
    expect(await unsettled(system)).toBe(100);
    await startWorker();
    await ledgerBecomes(system, ledgerOf(100));
    await nothingUnsettled(system);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(100));
  });

  it('whose acks are lost gets redeliveries that change nothing', async () => {
    await send(50);
    await startWorker('lose-acks');
    await ledgerBecomes(system, ledgerOf(50));
    // The redeliveries are acknowledged, because only the acks of the first batch were lost.
    await send(1, 50);
    await nothingUnsettled(system);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(51));
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const { delivered } = await manager.consumers.info(system.streamName, system.consumerName);
    expect(delivered.consumer_seq).toBeGreaterThan(51);
  });

  it('that is frozen for longer than the ack wait loses its messages to another one, which stores each once', async () => {
    const frozen = await startWorker();
    const load = inBackground(() => send(2_000));
    await waitFor(async () => (await readLedger(system.pool)).stored > 0, {
      timeoutMs: 20_000,
      describe: 'a start',
    });
    frozen.kill('SIGSTOP');
    await startWorker();
    await load.ended;
    await ledgerBecomes(system, ledgerOf(2_000));
    frozen.kill('SIGCONT');
    await nothingUnsettled(system);
    await send(100, 2_000);
    await ledgerBecomes(system, ledgerOf(2_100));
  });

  it('that one message kills repeatedly gives up that message, and no neighbour', async () => {
    await send(30);
    const bad = await publishEvent(system, { id: 'bad', payload: '{"kill":true}' });
    await send(30, 30);
    let deaths = 0;
    const supervising = inBackground(async (over) => {
      for (;;) {
        const worker = await startWorker('none', false);
        const stop = (): boolean => worker.kill('SIGTERM');
        over.addEventListener('abort', stop);
        if (over.aborted) stop();
        const { signal } = await worker.exited;
        if (signal !== 'SIGKILL' || deaths >= 20) return;
        deaths++;
      }
    });
    await ledgerBecomes(system, ledgerOf(60, 0, 0, 1), 60_000);
    await nothingUnsettled(system);
    const { rows } = await system.pool.query('SELECT seq::int, event_id, reason FROM sekali.dead_letter');
    expect(rows).toEqual([{ seq: bad, event_id: 'bad', reason: 'process_ended' }]);
    const attempts = await system.pool.query('SELECT * FROM sekali.attempt');
    expect(attempts.rows).toEqual([]);
    // The message was processed three times in a batch before it was suspected, and three times alone.
    expect(deaths).toBe(6);
    await supervising.end();
  }, 90_000);

  it('that gets SIGTERM finishes what is in flight, acknowledges it, and takes no more', async () => {
    const worker = await startWorker();
    const load = inBackground(() => send(3_000));
    await waitFor(async () => (await readLedger(system.pool)).stored > 0, {
      timeoutMs: 20_000,
      describe: 'a start',
    });
    const exit = await worker.stop();
    expect(exit).toMatchObject({ code: 0 });
    const atStop = await readLedger(system.pool);
    await load.ended;
    expect(await readLedger(system.pool)).toEqual(atStop);
    // Everything that it committed is acknowledged, so only what it never stored is left.
    expect(await unsettled(system)).toBe(3_000 - atStop.stored);
    await startWorker();
    await ledgerBecomes(system, ledgerOf(3_000));
  });

  it('that gets SIGTERM during an outage stops as well', async () => {
    const environment = { ...system.environment, SEKALI_POSTGRES_URL: 'postgres://user@127.0.0.1:1/none' };
    const worker = await startApp('worker', environment, { untilReady: false });
    workers.push(worker);
    await waitFor(() => worker.output().includes('out of reach'), {
      timeoutMs: 20_000,
      describe: 'the outage',
    });
    expect(await worker.stop()).toMatchObject({ code: 0 });
  });

  it('with wrong settings names every one of them and exits 1', async () => {
    const worker = await startApp(
      'worker',
      { ...system.environment, SEKALI_BATCH_SIZE: 'many', SEKALI_ATTEMPTS_MAX: '0' },
      { untilReady: false },
    );
    expect(await worker.exited).toMatchObject({ code: 1 });
    expect(worker.output()).toMatch(/SEKALI_BATCH_SIZE[^]*SEKALI_ATTEMPTS_MAX/);
    expect(worker.output()).not.toContain('    at ');
  });
});
