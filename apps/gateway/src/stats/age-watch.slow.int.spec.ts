/** Messages that no worker settles are about to leave the stream by their age. */
import { expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { StatsView } from '#contracts';
import { createLogger } from '#observability';
import { createTestSystem, waitFor } from '#testing';
import { event, RunningGateway } from '../test/running-gateway.js';
import { AgeWatch } from './age-watch.js';
import { GrowingFigure } from './growing-figure.js';

const SECONDS = 12;

it('are warned of in the log and in the health, before they are gone', async () => {
  const system = await createTestSystem();
  const { streamName: stream, consumerName, subjectPrefix } = system;
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await manager.streams.update(stream, {
    max_age: SECONDS * 1_000_000_000,
    duplicate_window: SECONDS * 1_000_000_000,
  });
  // A gateway that starts now checks as often as this stream needs.
  const gateway = await RunningGateway.start(system.environment);
  const stats = async (): Promise<StatsView> => JSON.parse((await gateway.get('/stats')).text) as StatsView;
  expect((await gateway.publish(event('1'))).status).toBe(202);
  const { expires_in_seconds: left } = await stats();
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(SECONDS);
  const said: string[] = [];
  const nextFrom = (seq: number): { seq: number } => ({ seq, ...{ next_by_subj: `${subjectPrefix}.>` } });
  const watch = new AgeWatch(
    {
      stream: async () => manager.streams.info(stream),
      consumer: async () => manager.consumers.info(stream, consumerName),
      publishedAt: async (seq) => (await manager.streams.getMessage(stream, nextFrom(seq)))?.time,
      acknowledged: new GrowingFigure(),
    },
    {
      ...createLogger('gateway', 'silent'),
      warn: (...words: unknown[]) => said.push(JSON.stringify(words)),
      info: () => undefined,
    },
  );
  await watch.check();
  await watch.check();
  expect([watch.warning, said]).toEqual([undefined, []]);
  await waitFor(
    async () => {
      await watch.check();
      return watch.warning !== undefined;
    },
    { timeoutMs: SECONDS * 1_000, describe: 'the warning' },
  );
  await watch.check();
  expect(said).toHaveLength(1);
  expect(said[0]).toContain('SEKALI_STREAM_AGE_SECONDS_MAX');
  await waitFor(async () => (await gateway.get('/health')).text.includes('"unstored":{"oldest_seconds":'), {
    timeoutMs: SECONDS * 1_000,
    describe: 'the health to show it',
  });
  await waitFor(async () => (await stats()).gone === 1, {
    timeoutMs: 60_000,
    describe: 'the message to leave',
  });
  await watch.check();
  expect(watch.warning).toBeUndefined();
}, 120_000);
