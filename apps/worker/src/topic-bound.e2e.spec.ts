import { expect, it } from '@jest/globals';
import { createTestSystem, startApp } from '#testing';
import { ledgerBecomes, ledgerOf, publishEvent } from './test/consumer-fixture.js';

it('a worker stores no more topics than its settings say', async () => {
  const system = await createTestSystem();
  await startApp('worker', { ...system.environment, SEKALI_STORED_TOPICS_MAX: '1' });
  await publishEvent(system, { topic: 'a', id: 'first' });
  await ledgerBecomes(system, ledgerOf(1));
  await publishEvent(system, { topic: 'b', id: 'second' });
  await publishEvent(system, { topic: 'a', id: 'third' });
  await ledgerBecomes(system, ledgerOf(2, 0, 0, 1));
  const { rows } = await system.pool.query('SELECT event_id, reason FROM sekali.dead_letter');
  expect(rows).toEqual([{ event_id: 'second', reason: 'too_many_topics' }]);
});
