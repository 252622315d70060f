/**
 * What durability costs: the brokers' fsync every two minutes (their default), every second, and at every write.
 *
 * Our own programs only, on three systems that are open at the same time and take turns; those that wait are idle. The
 * system with the default is the ceiling of the other two. Sizes are bounded, since syncing always is slow.
 */
import { type DrainGround, drainOnce } from '../drain/drain-round.js';
import { drainLoad, DUPLICATE_SHARES, onGround, WORKER_SCRIPT } from '../drain/drain.js';
import { checkLedger, emptyLedger } from '../drain/ledger.js';
import { Ground } from '../http/ground.js';
import { BATCH_SIZES, httpLoad, SINGLE_CONNECTIONS } from '../http/http.js';
import { checkedSubject, httpTurn, inStream } from '../http/subjects.js';
import { type Group, interleave, type Measured, seriesOf, type Unit } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { BacklogPlan } from '../stage/event-sequence.js';
import type { Stage } from '../stage/stage.js';

/** The first is the brokers' own default. */
export const SYNC_INTERVALS = ['2m', '1s', 'always'] as const;

/** Told while it happens. */
interface DurabilityOptions {
  readonly onTurn?: (subject: string, round: number, value: number) => void;
  readonly onProgress?: (doing: string) => void;
}

/** One load, and its turn on each of the stages. */
interface Load {
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  /** In the order of `SYNC_INTERVALS`. */
  readonly turns: readonly (() => Promise<Measured>)[];
}

/**
 * Measures the loads of the HTTP and the drain groups: two groups each.
 *
 * @param stages one for each of `SYNC_INTERVALS`, in that order
 * @throws WrongSubjectError when what was accepted is not there
 */
export async function measureDurability(
  stages: readonly Stage[],
  sizes: Sizes,
  options: DurabilityOptions = {},
): Promise<Group[]> {
  const groups = await measureHttp(stages, sizes, options);
  for (const duplicateShare of DUPLICATE_SHARES) {
    const plan = { messages: sizes.durabilityBacklog, duplicateShare };
    const ofDrain = await onGrounds(stages, plan, options, (grounds) =>
      measure({ ...drainLoad(plan), unit: 'events/s', turns: grounds.map(drainTurn) }, sizes, options),
    );
    groups.push(...ofDrain);
  }
  return groups;
}

async function measureHttp(
  stages: readonly Stage[],
  sizes: Sizes,
  options: DurabilityOptions,
): Promise<Group[]> {
  return withGrounds(stages, async (grounds) => {
    const gateways = await Promise.all(grounds.map((ground) => ground.gateway()));
    const groups: Group[] = [];
    for (const eventsPerRequest of [1, ...BATCH_SIZES]) {
      const about = httpLoad(eventsPerRequest);
      const load = {
        path: '/publish',
        connections: eventsPerRequest === 1 ? SINGLE_CONNECTIONS : sizes.batchConnections,
        eventsPerRequest,
        durationMs: sizes.httpRoundMs,
      };
      const turns = grounds.map(({ stage, gauge }, index) => {
        const program = gateways[index] as (typeof gateways)[number];
        const subject = { role: 'ours', subject: subjectOf(index), unit: about.unit } as const;
        const turn = () => httpTurn(stage, { ...load, program }, about.unit);
        return checkedSubject(subject, inStream(gauge), turn).measure;
      });
      groups.push(...(await measure({ ...about, turns }, sizes, options)));
    }
    return groups;
  });
}

/** Takes the turns of one load. The default's series is in both groups: it is what both are compared with. */
async function measure(
  { name, what, unit, turns }: Load,
  sizes: Sizes,
  { onTurn }: DurabilityOptions,
): Promise<Group[]> {
  const subjects = turns.map((turn, index) => ({ subject: subjectOf(index), measure: turn }));
  const values = await interleave(subjects, sizes, ({ subject }, round, { value }: Measured) =>
    onTurn?.(subject, round, value),
  );
  const [usual, ...durable] = subjects.map((one) => ({ ...one, unit, turns: values.get(one) }));
  if (usual === undefined) throw new Error('There is no stage to measure on.');
  return durable.map((one, index) => ({
    name: `durability-${name}-${SYNC_INTERVALS[index + 1] ?? ''}`,
    what: `${one.subject}: ${what}`,
    series: [
      seriesOf({ ...one, role: 'ours' }, one.turns),
      seriesOf({ ...usual, role: 'ceiling' }, usual.turns),
    ],
    targets: [],
  }));
}

function subjectOf(index: number): string {
  return `fsync ${['every 2 minutes', 'every second', 'always'][index] ?? ''}`;
}

/** The acks of a drain are kept by the brokers too, so it pays as well. */
function drainTurn(ground: DrainGround): () => Promise<Measured> {
  const { pool, backlog } = ground;
  return () =>
    drainOnce(ground, {
      role: 'ours',
      subject: 'sekali worker',
      script: WORKER_SCRIPT,
      environment: {},
      messages: backlog.messages,
      prepare: () => emptyLedger(pool),
      check: () => checkLedger(pool, backlog),
    });
}

async function withGrounds<T>(
  stages: readonly Stage[],
  work: (grounds: readonly Ground[]) => Promise<T>,
  opened: readonly Ground[] = [],
): Promise<T> {
  const [next, ...rest] = stages;
  if (next === undefined) return work(opened);
  return Ground.whileOpen(next, (ground) => withGrounds(rest, work, [...opened, ground]));
}

async function onGrounds<T>(
  stages: readonly Stage[],
  plan: BacklogPlan,
  options: DurabilityOptions,
  work: (grounds: readonly DrainGround[]) => Promise<T>,
  opened: readonly DrainGround[] = [],
): Promise<T> {
  const [next, ...rest] = stages;
  if (next === undefined) return work(opened);
  return onGround(next, plan, options, (ground) => onGrounds(rest, plan, options, work, [...opened, ground]));
}
