/** What the worker finds lost for a further consumer that leaves a part of the stream out. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STREAM_IDENTITY_METADATA } from '#broker';
import { readWorkerSettings } from '#config';
import { type ConsumerState, DurableConsumer, type Coverage } from '#idempotent-consumer/parts';
import { createLogger } from '#observability';
import { createInbox } from '#store';
import { createTestSystem, type TestSystem } from '#testing';
import { publishEvent } from './test/consumer-fixture.js';
import { transportOptions } from './transport-options.js';

const MESSAGES = 30;
/** The sequences of the messages that the consumer is for. */
const PAID = [3, 9, 20];

let system: TestSystem;
let seen: ConsumerState;
let paid: string;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  paid = `${system.subjectPrefix}.paid`;
  for (let seq = 1; seq <= MESSAGES; seq++)
    await publishEvent(system, { id: `e${seq}`, topic: PAID.includes(seq) ? 'paid' : 'orders' });
  const settings = readWorkerSettings(system.environment);
  const address = {
    ...{ stream: settings.SEKALI_STREAM, consumer: settings.SEKALI_CONSUMER },
    identityKey: STREAM_IDENTITY_METADATA,
  };
  const state = await new DurableConsumer(system.connection, address).inspect();
  if (state === undefined) throw new Error('the test system has no consumer');
  // As if the consumer had acknowledged everything.
  seen = { ...state, ackFloorSeq: MESSAGES, deliveredSeq: MESSAGES };
});
afterAll(async () => {
  await system.dispose();
});

describe('a further consumer that leaves a part of the stream out', () => {
  it.each<[string, string, Coverage, Partial<ConsumerState>]>([
    ['unread', 'unread', { leavesGaps: true, subjects: ['paid'] }, {}],
    ['by a filter', 'filtered', { leavesGaps: false }, { filters: ['paid'] }],
  ])('%s is put back only to messages that it is for', async (_, inbox, coverage, changes) => {
    const settings = readWorkerSettings(system.environment);
    await createInbox(system.pool, inbox);
    const whole = { ...coverage, ...(coverage.subjects && { subjects: [paid] }) };
    const { historyOf: historyIn } = transportOptions(
      settings,
      system.connection,
      system.pool,
      createLogger('test', 'silent'),
    );
    const history = historyIn(inbox, whole);
    const consumer = { ...seen, ...(changes.filters && { filters: [paid] }) };
    const incarnation = await history.incarnation(consumer.stream);
    await system.pool.query(
      `INSERT INTO sekali.${inbox}_key (topic, event_id, stream_id, seq, digest)
       SELECT 'paid', 'e' || seq, $1, seq, 0 FROM unnest($2::int[]) seq`,
      [incarnation.streamId, PAID],
    );
    expect(await history.startOf(incarnation, consumer)).toBeUndefined();
    // It was searched, and what it found is kept.
    const { rows } = await system.pool.query(
      'SELECT seq::int FROM sekali.further_horizon WHERE consumer = $1',
      [inbox],
    );
    expect(rows).toEqual([{ seq: MESSAGES }]);
    await system.pool.query(`DELETE FROM sekali.${inbox}_key WHERE seq > 8`);
    await system.pool.query('DELETE FROM sekali.further_horizon WHERE consumer = $1', [inbox]);
    await history.incarnation(consumer.stream);
    expect(await history.startOf(incarnation, consumer)).toMatchObject({
      seq: 9,
      loss: { firstSeq: 9, lastSeq: MESSAGES, missing: 2 },
    });
  });
});
