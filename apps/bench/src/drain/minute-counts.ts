/**
 * What the counts by minute cost a drain: the same worker drains the same backlog with them and without.
 *
 * Triggers on the counters keep them. Without the triggers, everything else of a batch stays as it is.
 */
import type { Pool } from 'pg';
import type { Environment } from '../environment/environment.js';
import type { Group } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import { type DrainOptions, drainLoad, measureRounds, withDrainFixture, workerSubject } from './drain.js';
import type { DrainFixture, DrainSubject } from './drain-round.js';
import { emptyLedger } from './ledger.js';

/** Draining may lose this part to the counts. */
const TARGETS = [{ against: 'ceiling', atLeast: 0.98 }] as const;

const TRIGGERS = {
  on: 'ALTER TABLE sekali.counter ENABLE TRIGGER USER',
  off: 'ALTER TABLE sekali.counter DISABLE TRIGGER USER',
} as const;

/** Measures the worker with the counts, against the same worker without them. */
export async function measureMinuteCounts(
  environment: Environment,
  sizes: Sizes,
  options: DrainOptions,
): Promise<Group> {
  const plan = { messages: sizes.backlog, duplicateShare: 0 };
  const series = await withDrainFixture(environment, plan, options, async (fixture) => {
    try {
      return await measureRounds(fixture, subjectsOf(fixture, options), sizes, options);
    } finally {
      await fixture.pool.query(TRIGGERS.on);
    }
  });
  const what = `${drainLoad(plan).what}, with and without counts by minute`;
  return { name: 'drain-counts', what, series, targets: TARGETS };
}

function subjectsOf(
  fixture: DrainFixture,
  { workerVariables: variables }: DrainOptions,
): readonly DrainSubject[] {
  const { pool } = fixture;
  const ceiling = { role: 'ceiling', subject: 'sekali worker without counts by minute', variables } as const;
  return [
    { ...workerSubject(fixture, { role: 'ours', variables }), prepare: () => prepare(pool, 'on') },
    { ...workerSubject(fixture, ceiling), prepare: () => prepare(pool, 'off') },
  ];
}

async function prepare(pool: Pool, triggers: keyof typeof TRIGGERS): Promise<void> {
  await emptyLedger(pool);
  await pool.query(TRIGGERS[triggers]);
}
