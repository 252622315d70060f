/**
 * How fast a backlog is drained: Sekali's worker, the bare loop that is its ceiling, and what users do today.
 *
 * All drain the same stream into the same Postgres, one process each, taking turns. The bare loop is placed by rule: left
 * to its client's choice of a broker, its rate moves by a fifth. Today's way takes one message at a time and is stopped
 * after a part of the backlog: its rate is the same from beginning to end.
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
import { type Backlog, fillBacklog } from '../stage/backlog.js';
import { type BacklogPlan, eventsAmong } from '../stage/event-sequence.js';
import type { ProgramEnvironment, Stage } from '../stage/stage.js';
import { type DrainGround, drainOnce, type DrainSubject } from './drain-round.js';
import { checkLedger, emptyLedger } from './ledger.js';
import { checkPlainTable, emptyPlainTable } from './plain-table.js';

/** The worker, from `dist/apps`. */
export const WORKER_SCRIPT = 'worker/src/main.js';

/** Shares of a backlog that repeat an earlier event: all are new, and what producers that retry would leave. */
export const DUPLICATE_SHARES = [0, 0.3] as const;

/** Where the worker takes its connection by itself. */
const BARE_BESIDE_LEADER = "bare loop, beside its consumer's leader";

const TARGETS: readonly Target[] = [
  { against: 'ceiling', atLeast: 0.85 },
  { against: 'today', atLeast: 6 },
];
const DUPLICATE_TARGETS: readonly Target[] = [{ against: 'ceiling', atLeast: 0.7 }];

/** Today's way handles so many messages at once: so many of what it was given may not be stored when it stops. */
const TODAY_UNFINISHED_MAX = 100;
/** Emptying and checking big tables takes its time. */
const STATEMENT_MS_MAX = 1_800_000;

/** What any drain can be told. */
export interface DrainOptions {
  /** Told how far the present round is. */
  readonly onProgress?: (line: string) => void;
  /** Told each value as it is measured; turn 0 of a subject is its warm-up. */
  readonly onTurn?: (subject: string, round: number, value: number) => void;
  /** Settings of the worker that are not the defaults, or flags of its node. */
  readonly workerEnvironment?: ProgramEnvironment;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures the three of them on one backlog.
 *
 * @param options.duplicateShare share of the backlog that repeats an earlier event
 * @throws when a program fails, or what it stored is not exactly what it was given
 */
export async function measureDrain(
  stage: Stage,
  sizes: Sizes,
  options: DrainOptions & { readonly duplicateShare: number },
): Promise<Group> {
  const { duplicateShare } = options;
  const plan = { messages: sizes.backlog, duplicateShare };
  const series = await onGround(stage, plan, options, (ground) =>
    takeTurns(ground, subjectsOf(ground, sizes, options), sizes, options),
  );
  const targets = duplicateShare === 0 ? TARGETS : DUPLICATE_TARGETS;
  return { ...drainLoad(plan), series, targets, notes: [besideLeader(series)] };
}

/** What draining such a backlog is called. */
export function drainLoad({ messages, duplicateShare }: BacklogPlan): { name: string; what: string } {
  const percent = Math.round(duplicateShare * 100);
  return {
    name: percent === 0 ? 'drain' : 'drain-duplicates',
    what: `drain a backlog of ${messages.toLocaleString('en')}, ${percent} % duplicates`,
  };
}

/** Fills the backlog, opens what a round needs, and closes it whatever happens. */
export async function onGround<T>(
  stage: Stage,
  plan: BacklogPlan,
  { onProgress = () => undefined, signal }: DrainOptions,
  measure: (ground: DrainGround) => Promise<T>,
): Promise<T> {
  let connection: NatsConnection | undefined;
  let pool: Pool | undefined;
  try {
    connection = await connectBroker(
      { urls: stage.natsUrls.join(','), name: 'bench' },
      { waitForFirst: false },
    );
    pool = openPool(stage.postgresUrl);
    const backlog = await fillBacklog(connection, plan, {
      onProgress: (messages) => {
        onProgress(`filling the stream: ${messages} of ${plan.messages}`);
      },
      signal,
    });
    return await measure({ stage, connection, pool, backlog, onProgress, signal });
  } finally {
    await connection?.close();
    await pool?.end();
  }
}

/** A pool for preparing and checking, which no bound of a worker's transaction fits. */
export function openPool(url: string): Pool {
  return createPool({ url, name: 'bench', connectionsMax: 2, transactionMsMax: STATEMENT_MS_MAX });
}

/** Measures subjects in turn; their series come in the order of the subjects. */
export async function takeTurns(
  ground: DrainGround,
  subjects: readonly DrainSubject[],
  sizes: Sizes,
  { onTurn }: DrainOptions,
): Promise<Series[]> {
  const measured = subjects.map((one) => ({ one, measure: () => drainOnce(ground, one) }));
  const values = await interleave(measured, sizes, ({ one }, round, { value }: Measured) => {
    onTurn?.(one.subject, round, value);
  });
  return measured.map((key) => seriesOf({ ...key.one, unit: 'events/s' }, values.get(key)));
}

function subjectsOf(
  { pool, backlog }: DrainGround,
  sizes: Sizes,
  { workerEnvironment = {} }: DrainOptions,
): DrainSubject[] {
  const plain = { environment: {}, prepare: () => emptyPlainTable(pool) };
  const bare = {
    ...plain,
    role: 'ceiling' as const,
    script: 'bench/src/drain/bare-drain.js',
    messages: backlog.messages,
    check: () => checkPlainTable(pool, { rowsMin: backlog.events, rowsMax: backlog.events }),
  };
  // The warm-up is beside the leader.
  let turns = 0;
  const today = Math.min(sizes.backlogOneByOne, backlog.messages);
  return [
    {
      role: 'ours',
      subject: 'sekali worker',
      script: WORKER_SCRIPT,
      environment: workerEnvironment,
      messages: backlog.messages,
      prepare: () => emptyLedger(pool),
      check: () => checkLedger(pool, backlog),
    },
    { ...bare, subject: 'bare loop', brokersFromLeader: () => turns++ },
    { ...bare, subject: BARE_BESIDE_LEADER, brokersFromLeader: () => 0 },
    {
      ...plain,
      role: 'today',
      subject: 'Nest handler, one INSERT a message',
      script: 'bench/src/drain/typical-drain.js',
      messages: today,
      check: () => checkPlainTable(pool, { rowsMin: todayRowsMin(backlog, today), rowsMax: backlog.events }),
    },
  ];
}

/** What the ceiling would be if the bare loop found its consumer's leader, as the worker does. */
function besideLeader(series: readonly Series[]): string {
  const rateOf = (find: (one: Series) => boolean): number => median(series.find(find)?.values ?? []);
  const rate = rateOf(({ subject }) => subject === BARE_BESIDE_LEADER);
  const share = rateOf(({ role }) => role === 'ours') / rate;
  return (
    'the bare loop is connected to each broker in turn, as a client that knows them all would be in the long run. Always ' +
    `at the one that leads its consumer it does ${Math.round(rate).toLocaleString('en')} events/s: ratio ${share.toFixed(2)}.`
  );
}

function todayRowsMin({ plan }: Backlog, messages: number): number {
  return eventsAmong(plan, messages) - TODAY_UNFINISHED_MAX;
}
