/**
 * Real clients of Loki, through a proxy that refuses, resets, loses and withholds. What arrives is stored once, and what
 * does not arrive was given up by the client itself.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { pino } from 'pino';
import { pinoLoki } from 'pino-loki';
import { createLogger } from 'winston';
import LokiTransport from 'winston-loki';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { insertApiKeys } from '#store';
import {
  codeBlocks,
  createTestSystem,
  FaultProxy,
  startApp,
  untilSettled,
  waitFor,
  type App,
  type HttpFault,
  type TestSystem,
} from '#testing';

const PUSH = { path: /\/loki\/api\/v1\/push/ };
const COUNT = 10_000;
/** Lines of a push, about. A push that fails goes into the next one. */
const LINES_OF_PUSH = 1_000;
const REFUSED: HttpFault = { status: 503, headers: { 'retry-after': '1' } };
const TOO_MANY: HttpFault = { status: 429, headers: { 'retry-after': '1' } };
const ROOT = findRepositoryRoot();
const run = promisify(execFile);
const token = newApiKeyToken();
let system: TestSystem;
let gateway: App;

beforeAll(async () => {
  system = await createTestSystem({ duplicateWindowMs: 1_000 });
  const key = { key_id: apiKeyIdOf(token) ?? '', name: 'loki', topics: null, scopes: ['publish'] } as const;
  await insertApiKeys(system.pool, [{ ...key, hash: apiKeyHash(token) }]);
  const keyed = { ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
  [gateway] = await Promise.all([startApp('gateway', keyed), startApp('worker', system.environment)]);
}, 120_000);

/** How often each line of a topic is stored. */
async function storedLines(topic: string): Promise<Map<string, number>> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await untilSettled(manager, system.streamName, system.consumerName);
  const { rows } = await system.pool.query<{ line: string; count: number }>(
    `SELECT event.payload->>'line' AS line, count(*)::int AS count
     FROM sekali.event_key key JOIN sekali.event event ON event.stream_id = key.stream_id AND event.seq = key.seq
     WHERE key.topic = $1 GROUP BY 1`,
    [topic],
  );
  return new Map(rows.map(({ line, count }) => [line, count]));
}

/** The parts of the transport that the test shortens: it waits for a minute after a failure. */
interface Shortened {
  readonly batcher: { circuitBreakerInterval: number };
}

describe('winston-loki', () => {
  it.each([true, false])(
    'has each of 10,000 lines stored once, in spite of every fault (JSON: %s)',
    async (json) => {
      const app = json ? 'winston.json' : 'winston.protobuf';
      const faults: HttpFault[] = [REFUSED, TOO_MANY, 'reset', 'lose', 'pass', 'hold'];
      const proxy = await FaultProxy.start(gateway.url, { ...PUSH, faults });
      const transport = new LokiTransport({
        host: proxy.url,
        basicAuth: `winston:${token}`,
        labels: { app },
        json,
        interval: 0.1,
        timeout: 3_000,
        gracefulShutdown: false,
        onConnectionError: () => undefined,
      });
      (transport as unknown as Shortened).batcher.circuitBreakerInterval = 200;
      const logger = createLogger({ transports: [transport] });
      for (let n = 0; n < COUNT; n++) {
        logger.info(`line ${n}`, { n });
        if (n % LINES_OF_PUSH !== 0) continue;
        const seen = proxy.seen.length;
        await waitFor(() => proxy.seen.length > seen, { timeoutMs: 20_000, describe: 'another push' });
      }
      await transport.flush();
      await waitFor(() => proxy.faults.length === 0 && proxy.seen.at(-1)?.status === 204, {
        timeoutMs: 60_000,
        describe: 'the last push to be taken',
      });
      await transport.flush();
      const stored = await storedLines(app);
      expect(stored.size).toBe(COUNT);
      expect([...stored.values()].every((count) => count === 1)).toBe(true);
      const passed = proxy.seen.filter(({ fault }) => ['lose', 'hold'].includes(fault as string));
      expect(passed.map(({ status }) => status)).toEqual([204, 204]);
      await transport.close();
    },
    120_000,
  );
});

describe('pino-loki', () => {
  it('has each line stored once, but for the batches that it drops itself', async () => {
    const proxy = await FaultProxy.start(gateway.url, PUSH);
    const stream = pinoLoki({
      host: proxy.url,
      basicAuth: { username: 'pino', password: token },
      labels: { app: 'pino' },
      batching: { interval: 0.2 },
      timeout: 2_000,
      silenceErrors: true,
    });
    const logger = pino(stream);
    const phases: HttpFault[] = ['pass', REFUSED, 'reset', 'lose', 'hold'];
    const ofPhase = COUNT / phases.length;
    for (const [phase, fault] of phases.entries()) {
      const seen = proxy.seen.length;
      proxy.faults.push(fault);
      for (let n = 0; n < ofPhase; n++) logger.info({ phase, n });
      await waitFor(() => proxy.seen.length > seen, { timeoutMs: 20_000, describe: `phase ${phase}` });
    }
    stream.end();
    const lastPhase = `"phase":${phases.length - 1}`;
    await waitFor(
      async () =>
        [...(await storedLines('pino')).keys()].filter((line) => line.includes(lastPhase)).length === ofPhase,
      { timeoutMs: 60_000, describe: 'the last phase to be stored', intervalMs: 500 },
    );
    const stored = await storedLines('pino');
    expect([...stored.values()].every((count) => count === 1)).toBe(true);
    const counts = phases.map(
      (_, phase) => [...stored.keys()].filter((line) => line.includes(`"phase":${phase}`)).length,
    );
    const [plain, refused, reset, lost, held] = counts;
    expect([plain, lost, held]).toEqual([ofPhase, ofPhase, ofPhase]);
    // It drops a batch for good; what it had not put into that batch still comes.
    expect(refused).toBeLessThan(ofPhase);
    expect(reset).toBeLessThan(ofPhase);
  }, 120_000);
});

describe('the clients of the page', () => {
  const page = { path: 'README.md', text: readFileSync(join(ROOT, 'apps/gateway/README.md'), 'utf8') };
  const programs = codeBlocks(page).filter(
    ({ language, text }) => language === 'js' && text.includes('loki'),
  );

  it.each(programs.map(({ text }) => [/app: '([\w.]+)'/.exec(text)?.[1] ?? '', text]))(
    'send what they log: %s',
    async (topic, text) => {
      const program = text.replace('http://127.0.0.1:8080', gateway.url).replace('<token>', token);
      await run(process.execPath, ['--input-type=module', '-e', program], { cwd: ROOT, timeout: 30_000 });
      const [line = ''] = (await storedLines(topic)).keys();
      expect(line).toMatch(/started.*17|17.*started/);
    },
    60_000,
  );

  it('are two', () => {
    expect(programs).toHaveLength(2);
  });
});
