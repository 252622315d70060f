/**
 * 1,000 random replays and drops by several clients, while gateways and workers are killed.
 *
 * The messages are too large for the first workers, or are not JSON. So replays fail again at first. Later workers take
 * larger events, and the replays of the same messages are stored.
 */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { DeadLetterBulkResult, DeadLetterView } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { createTestSystem, startApp, untilSettled, waitFor, type App, type TestSystem } from '#testing';

const SEED = 20_261_128;
const MESSAGES = 240;
const OPERATIONS = 1_000;
const CLIENTS = 6;
const KILLS = 12;
const SMALL = { SEKALI_EVENT_BYTES_MAX: '1024' };
const UNFINISHED = '/dead-letters?limit=1000';

let system: TestSystem;
const gateways: App[] = [];
const workers: App[] = [];
let workerRules: Readonly<Record<string, string>> = SMALL;

/** mulberry32 */
let state = SEED;
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
}

const startGateway = (): Promise<App> => startApp('gateway', system.environment);
const startWorker = (): Promise<App> => startApp('worker', { ...system.environment, ...workerRules });

beforeAll(async () => {
  system = await createTestSystem({
    ackWaitMs: 3_000,
    // No replay may outlast it.
    duplicateWindowMs: 1_200_000,
    settings: { SEKALI_TRANSACTION_MS_MAX: '2000' },
  });
  gateways.push(await startGateway(), await startGateway());
  workers.push(await startWorker(), await startWorker());
  const client = jetstream(system.connection);
  await Promise.all(
    Array.from({ length: MESSAGES }, async (_, n) => {
      // Every third message has the id of the one before, so that a replay of the second one is a duplicate.
      const id = `e-${n % 3 === 2 ? n - 1 : n}`;
      const body = n % 4 === 3 ? '{"not": json' : JSON.stringify(eventOf(id));
      await client.publish(`${system.subjectPrefix}.t${n % 5 === 0 ? '1' : '2'}`, body, {
        msgID: `first-${n}`,
      });
    }),
  );
  await waitFor(async () => (await letters(`${UNFINISHED}&state=all`)).length === MESSAGES, {
    timeoutMs: 60_000,
    describe: 'every message to be a dead letter',
  });
}, 120_000);

afterAll(async () => {
  for (const app of [...gateways, ...workers]) app.kill('SIGKILL');
  await system.dispose();
});

function eventOf(id: string): object {
  const payload = { id, padding: 'x'.repeat(1_500) };
  return { event_id: id, timestamp: '2026-11-22T10:00:00Z', source: 'test', payload };
}

async function letters(path: string): Promise<DeadLetterView[]> {
  const answer = await fetch(`${gateways[0]?.url ?? ''}${path}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as DeadLetterView[];
}

/** Sends a request to any gateway. One that is killed meanwhile gives no answer, which is a result as well. */
async function ask(path: string, body: object): Promise<unknown> {
  const gateway = gateways[random(gateways.length)];
  try {
    const answer = await fetch(`${gateway?.url ?? ''}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    return await answer.json();
  } catch {
    return undefined;
  }
}

async function operate(ids: readonly DeadLetterView[], n: number): Promise<void> {
  const { id, reason } = ids[random(ids.length)] as DeadLetterView;
  const mended = { event: eventOf(`m-${id}`) };
  const choice = random(100);
  if (choice < 60) await ask(`/dead-letters/${id}/replay`, { reason: `operation ${n}` });
  else if (choice < 87) await ask(`/dead-letters/${id}/replay`, reason === 'not_json' ? mended : {});
  else if (choice < 97) await ask('/dead-letters/replay', { filter: { topic: 't1' }, limit: 5 });
  else await ask(`/dead-letters/${id}/drop`, { reason: `operation ${n}` });
}

/** Kills a process outright, and starts another one in its place. */
async function kill(apps: App[], start: () => Promise<App>): Promise<void> {
  const index = random(apps.length);
  const victim = apps[index] as App;
  victim.kill('SIGKILL');
  await victim.exited;
  apps[index] = await start();
}

async function disturb(): Promise<void> {
  for (let n = 0; n < KILLS; n++) {
    if (n === KILLS / 2) workerRules = {};
    await (n % 3 === 2 ? kill(workers, startWorker) : kill(gateways, startGateway));
  }
}

/** Replays all that is left until nothing is, with workers that take every event. */
async function finish(): Promise<void> {
  workerRules = {};
  while (workers.length > 0) {
    const worker = workers.pop() as App;
    worker.kill('SIGKILL');
    await worker.exited;
  }
  workers.push(await startWorker());
  await waitFor(
    async () => {
      const { counts } = (await ask('/dead-letters/replay', {
        filter: {},
        limit: 500,
      })) as DeadLetterBulkResult;
      return Object.keys(counts).every((status) => status === 'not_replayable');
    },
    { timeoutMs: 90_000, intervalMs: 500, describe: 'every dead letter to be replayed' },
  );
  await ask('/dead-letters/drop', { filter: {}, limit: 500, reason: 'the end of the test' });
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await untilSettled(manager, system.streamName, system.consumerName);
}

/** How many messages of the stream each action published. */
async function publishedByAction(): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { state: stream } = await manager.streams.info(system.streamName);
  for (let seq = stream.first_seq; seq <= stream.last_seq; seq++) {
    const message = await manager.streams.getMessage(system.streamName, { seq });
    const action = message?.header.get('Sekali-Replay') ?? '';
    if (action !== '') counts.set(action, (counts.get(action) ?? 0) + 1);
  }
  return counts;
}

async function audit(): Promise<{ code: unknown; output: string }> {
  const main = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
  const env = { ...system.environment, PATH: process.env['PATH'] ?? '' };
  return new Promise((resolve) => {
    const args = [main, 'audit', '--wait', '30'];
    execFile(process.execPath, args, { cwd: tmpdir(), env }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, output: `${stdout}${stderr}` });
    });
  });
}

it(`publishes each action once and stores each event once, with kills in between (seed ${SEED})`, async () => {
  const ids = await letters(`${UNFINISHED}&state=all`);
  let done = 0;
  let isDisturbed = true;
  const client = async (): Promise<void> => {
    while (done < OPERATIONS || isDisturbed) await operate(ids, done++);
  };
  const disturbing = disturb().finally(() => (isDisturbed = false));
  await Promise.all([...Array.from({ length: CLIENTS }, client), disturbing]);
  await finish();

  const { rows: actions } = await system.pool.query<{
    action_id: string;
    kind: string;
    replay_seq: string | null;
  }>('SELECT action_id, kind, replay_seq FROM sekali.dead_letter_action ORDER BY seq, number');
  const replays = actions.filter(({ kind }) => kind === 'replay');
  expect(replays.filter(({ replay_seq }) => replay_seq === null)).toEqual([]);
  // Each action has one message, and no message has another action.
  const expected = new Map(replays.map(({ action_id }) => [action_id, 1]));
  expect(await publishedByAction()).toEqual(expected);
  expect(replays.length).toBeGreaterThan(MESSAGES / 2);

  const all = await letters(`${UNFINISHED}&state=all`);
  expect(all).toHaveLength(MESSAGES);
  expect(await letters(UNFINISHED)).toEqual([]);
  expect(all.reduce((sum, letter) => sum + letter.actions, 0)).toBe(actions.length);
  const states = new Set(all.map((letter) => letter.state));
  expect(states).toEqual(new Set(['stored', 'duplicate', 'dropped']));
  const { rows } = await system.pool.query<{ stored: number }>(
    'SELECT count(*)::int AS stored FROM sekali.event',
  );
  expect(rows[0]?.stored).toBe(all.filter((letter) => letter.state === 'stored').length);
  expect(await audit()).toMatchObject({ code: 0 });
}, 300_000);
