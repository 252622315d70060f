/** A worker reads messages only by the rules under which they were accepted. */
import { describe, expect, it } from '@jest/globals';
import { ensureStream } from '#broker';
import type { ConsumerEvent } from '#idempotent-consumer';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { ledgerOf, publishEvent, readLedger, startConsumer, unsettled } from './test/consumer-fixture.js';

interface Rules {
  readonly subjectPrefix: string;
  readonly eventBytesMax: number;
}

async function setRules(system: TestSystem, rules: Rules): Promise<void> {
  await ensureStream(system.connection, {
    ...{ name: system.streamName, replicas: 3, bytesMax: 64 * 1024 * 1024 },
    ...{ ageSecondsMax: 3_600, duplicateWindowMs: 120_000 },
    ...rules,
  });
}

describe('a worker', () => {
  it.each([
    [
      'SEKALI_SUBJECT_PREFIX',
      ({ subjectPrefix }: Rules): Partial<Rules> => ({ subjectPrefix: `${subjectPrefix}_2` }),
    ],
    ['SEKALI_EVENT_BYTES_MAX', (): Partial<Rules> => ({ eventBytesMax: 1_024 })],
  ])(
    'with another %s processes nothing and says what to do, until the stream has that setting',
    async (name, change) => {
      const system = await createTestSystem();
      const rules = { subjectPrefix: system.subjectPrefix, eventBytesMax: 262_144 };
      const others = { ...rules, ...change(rules) };
      await setRules(system, rules);
      await publishEvent(system, { id: 'waiting' });
      const observed: ConsumerEvent[] = [];
      const environment = {
        SEKALI_SUBJECT_PREFIX: others.subjectPrefix,
        SEKALI_EVENT_BYTES_MAX: String(others.eventBytesMax),
      };
      const starting = startConsumer(
        { ...system.environment, ...environment },
        { observe: (event) => void observed.push(event) },
      );
      const refusal = new RegExp(`${name} is .*run setup`);
      await waitFor(
        () => observed.some((event) => event.type === 'session-lost' && refusal.test(event.reason)),
        {
          timeoutMs: 20_000,
          describe: 'the refusal',
        },
      );
      expect([await unsettled(system), await readLedger(system.pool)]).toEqual([1, ledgerOf(0)]);
      await setRules(system, others);
      await (await starting).stop();
    },
  );
});
