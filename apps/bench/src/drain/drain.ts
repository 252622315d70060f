/**
 * How fast a backlog is drained by Sekali's worker, by the baseline loop, which is the ceiling, and in the typical way.
 *
 * All of them drain the same stream into the same Postgres, with one process each, and their rounds alternate. The rate
 * of the baseline loop depends on its broker by a fifth, so a rule chooses the broker. The typical way takes one
 * message at a time and is stopped after a part of the backlog, since its rate does not change.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { connectBroker } from '#broker';
import { createPool } from '#postgres';
import {
  type Group,
  interleave,
  type Measured,
  median,
  type Series,
  seriesOf,
  type Target,
} from '../measurement.js';
import type { Sizes } from '../sizes.js';
import { type Backlog, fillBacklog } from '../environment/backlog.js';
import { type BacklogPlan, eventsAmong } from '../environment/event-sequence.js';
import type { ProgramVariables, Environment } from '../environment/environment.js';
import { type DrainFixture, drainOnce, type DrainSubject } from './drain-round.js';
import { checkLedger, emptyLedger } from './ledger.js';
import { checkPlainTable, emptyPlainTable } from './plain-table.js';

/** The worker's script, as a path from `dist/apps`. */
export const WORKER_SCRIPT = 'worker/src/main.js';

/** Shares of a backlog that repeat an earlier event: none, and as many as producers that retry would leave. */
export const DUPLICATE_SHARES = [0, 0.3] as const;

/** The baseline with the connection that the worker finds by itself. */
const BASELINE_AT_LEADER = "baseline loop, connected to its consumer's leader";

const TARGETS: readonly Target[] = [
  { against: 'ceiling', atLeast: 0.85 },
  { against: 'typical', atLeast: 6 },
];
const DUPLICATE_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 0.7 }];

/** The typical way handles this many messages at once, so this many may not be stored when it is stopped. */
const TYPICAL_UNFINISHED_MAX = 100;
/** Emptying and checking large tables takes long. */
const STATEMENT_MS_MAX = 1_800_000;

/** Options of every drain. */
export interface DrainOptions {
  /** Receives how far the current round is. */
  readonly onProgress?: (line: string) => void;
  /** Receives each value when it is measured. Round 0 of a subject is its warm-up. */
  readonly onRound?: (subject: string, round: number, value: number) => void;
  /** Settings of the worker that differ from the defaults, or flags of its Node process. */
  readonly workerVariables?: ProgramVariables;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures the three subjects on one backlog.
 *
 * @param options.duplicateShare share of the backlog that repeats an earlier event
 * @throws when a program fails, or when it did not store exactly what it received
 */
export async function measureDrain(
  environment: Environment,
  sizes: Sizes,
  options: DrainOptions & { readonly duplicateShare: number },
): Promise<Group> {
  const { duplicateShare } = options;
  const plan = { messages: sizes.backlog, duplicateShare };
  const series = await withDrainFixture(environment, plan, options, (fixture) =>
    measureRounds(fixture, subjectsOf(fixture, sizes, options), sizes, options),
  );
  const targets = duplicateShare === 0 ? TARGETS : DUPLICATE_TARGETS;
  return { ...drainLoad(plan), series, targets, notes: [leaderNote(series)] };
}

/** The name and the label of such a drain. */
export function drainLoad({ messages, duplicateShare }: BacklogPlan): { name: string; what: string } {
  const percent = Math.round(duplicateShare * 100);
  return {
    name: percent === 0 ? 'drain' : 'drain-duplicates',
    what: `drain a backlog of ${messages.toLocaleString('en')}, ${percent} % duplicates`,
  };
}

/** Fills the backlog, opens what a round needs, and closes it when `measure` has returned or thrown. */
export async function withDrainFixture<T>(
  environment: Environment,
  plan: BacklogPlan,
  { onProgress = () => undefined, signal }: DrainOptions,
  measure: (fixture: DrainFixture) => Promise<T>,
): Promise<T> {
  let connection: NatsConnection | undefined;
  let pool: Pool | undefined;
  try {
    connection = await connectBroker(
      { urls: environment.natsUrls.join(','), name: 'bench' },
      { waitForFirst: false },
    );
    pool = openPool(environment.postgresUrl);
    const backlog = await fillBacklog(connection, plan, {
      onProgress: (messages) => {
        onProgress(`filling the stream: ${messages} of ${plan.messages}`);
      },
      signal,
    });
    return await measure({ environment, connection, pool, backlog, onProgress, signal });
  } finally {
    await connection?.close();
    await pool?.end();
  }
}

/** A pool for preparing and checking. The bounds of a worker's transactions would be too short for that. */
export function openPool(url: string): Pool {
  return createPool({ url, name: 'bench', connectionsMax: 2, transactionMsMax: STATEMENT_MS_MAX });
}

/** Runs the rounds of the subjects alternately. The series have the order of the subjects. */
export async function measureRounds(
  fixture: DrainFixture,
  subjects: readonly DrainSubject[],
  sizes: Sizes,
  { onRound }: DrainOptions,
): Promise<Series[]> {
  const measured = subjects.map((one) => ({ one, measure: () => drainOnce(fixture, one) }));
  const values = await interleave(measured, sizes, ({ one }, round, { value }: Measured) => {
    onRound?.(one.subject, round, value);
  });
  return measured.map((key) => seriesOf({ ...key.one, unit: 'events/s' }, values.get(key)));
}

/** How one worker differs from others that are measured with it. */
interface WorkerName extends Pick<DrainSubject, 'role'> {
  /** The name for the table; "sekali worker" when it is left out. */
  readonly subject?: string;
  readonly variables?: ProgramVariables | undefined;
}

/** Sekali's worker, which drains the backlog into a ledger. The ledger is empty before each round and checked after it. */
export function workerSubject(
  { pool, backlog }: Pick<DrainFixture, 'pool' | 'backlog'>,
  { role, subject = 'sekali worker', variables = {} }: WorkerName,
): DrainSubject {
  return {
    ...{ role, subject, variables },
    script: WORKER_SCRIPT,
    messages: backlog.messages,
    prepare: () => emptyLedger(pool),
    check: () => checkLedger(pool, backlog),
  };
}

function subjectsOf(
  fixture: DrainFixture,
  sizes: Sizes,
  { workerVariables: variables }: DrainOptions,
): DrainSubject[] {
  const { pool, backlog } = fixture;
  const plain = { variables: {}, prepare: () => emptyPlainTable(pool) };
  const baseline = {
    ...plain,
    role: 'ceiling' as const,
    script: 'bench/src/drain/baseline-drain.js',
    messages: backlog.messages,
    check: () => checkPlainTable(pool, { rowsMin: backlog.events, rowsMax: backlog.events }),
  };
  // The warm-up is connected to the leader.
  let round = 0;
  const typical = Math.min(sizes.backlogOneByOne, backlog.messages);
  return [
    workerSubject(fixture, { role: 'ours', variables }),
    { ...baseline, subject: 'baseline loop', brokersFromLeader: () => round++ },
    { ...baseline, subject: BASELINE_AT_LEADER, brokersFromLeader: () => 0 },
    {
      ...plain,
      role: 'typical',
      subject: 'Nest handler, one INSERT a message',
      script: 'bench/src/drain/typical-drain.js',
      messages: typical,
      check: () =>
        checkPlainTable(pool, { rowsMin: typicalRowsMin(backlog, typical), rowsMax: backlog.events }),
    },
  ];
}

/** The ceiling that a baseline loop would give if it found its consumer's leader, as the worker does. */
function leaderNote(series: readonly Series[]): string {
  const rateOf = (find: (one: Series) => boolean): number => median(series.find(find)?.values ?? []);
  const rate = rateOf(({ subject }) => subject === BASELINE_AT_LEADER);
  const share = rateOf(({ role }) => role === 'ours') / rate;
  return (
    'the baseline loop is connected to a different broker in each round, as a client that knows them all would be in the long run. ' +
    `Always connected to the leader of its consumer, it does ${Math.round(rate).toLocaleString('en')} events/s: ratio ${share.toFixed(2)}.`
  );
}

function typicalRowsMin({ plan }: Backlog, messages: number): number {
  return eventsAmong(plan, messages) - TYPICAL_UNFINISHED_MAX;
}
