/**
 * What durability costs: the brokers call fsync every two minutes (their default), every second, or at every write.
 *
 * Only our own programs are measured. Three systems are open at the same time and their rounds alternate; two of them
 * are idle at any time. The system with the default is the ceiling of the other two. The sizes are smaller here, since
 * fsync at every write is slow.
 */
import { type DrainFixture, drainOnce } from '../drain/drain-round.js';
import { drainLoad, DUPLICATE_SHARES, withDrainFixture, workerSubject } from '../drain/drain.js';
import { HttpFixture } from '../http/fixture.js';
import { BATCH_SIZES, httpLoad, SINGLE_CONNECTIONS } from '../http/http.js';
import { checkedSubject, httpRound, inStream } from '../http/subjects.js';
import { type Group, interleave, type Measured, seriesOf, type Unit } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { BacklogPlan } from '../environment/event-sequence.js';
import type { Environment } from '../environment/environment.js';

/** The first interval is the brokers' own default. */
export const SYNC_INTERVALS = ['2m', '1s', 'always'] as const;

/** What a measurement reports while it is running. */
interface DurabilityOptions {
  readonly onRound?: (subject: string, round: number, value: number) => void;
  readonly onProgress?: (doing: string) => void;
}

/** One load, with a round of it for each environment. */
interface Load {
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  /** In the order of `SYNC_INTERVALS`. */
  readonly rounds: readonly (() => Promise<Measured>)[];
}

/**
 * Measures the loads of the HTTP and the drain groups. Each load gives two groups.
 *
 * @param environments one for each of `SYNC_INTERVALS`, in that order
 * @throws WrongSubjectError when events that were accepted are missing
 */
export async function measureDurability(
  environments: readonly Environment[],
  sizes: Sizes,
  options: DurabilityOptions = {},
): Promise<Group[]> {
  const groups = await measureHttp(environments, sizes, options);
  for (const duplicateShare of DUPLICATE_SHARES) {
    const plan = { messages: sizes.durabilityBacklog, duplicateShare };
    const ofDrain = await withDrainFixtures(environments, plan, options, (fixtures) =>
      measure({ ...drainLoad(plan), unit: 'events/s', rounds: fixtures.map(drainRound) }, sizes, options),
    );
    groups.push(...ofDrain);
  }
  return groups;
}

async function measureHttp(
  environments: readonly Environment[],
  sizes: Sizes,
  options: DurabilityOptions,
): Promise<Group[]> {
  return withHttpFixtures(environments, async (fixtures) => {
    const gateways = await Promise.all(fixtures.map((fixture) => fixture.gateway()));
    const groups: Group[] = [];
    for (const eventsPerRequest of [1, ...BATCH_SIZES]) {
      const about = httpLoad(eventsPerRequest);
      const load = {
        path: '/publish',
        connections: eventsPerRequest === 1 ? SINGLE_CONNECTIONS : sizes.batchConnections,
        eventsPerRequest,
        durationMs: sizes.httpRoundMs,
      };
      const rounds = fixtures.map(({ environment, gauge }, index) => {
        const program = gateways[index] as (typeof gateways)[number];
        const subject = { role: 'ours', subject: subjectOf(index), unit: about.unit } as const;
        const round = () => httpRound(environment, { ...load, program }, about.unit);
        return checkedSubject(subject, inStream(gauge), round).measure;
      });
      groups.push(...(await measure({ ...about, rounds }, sizes, options)));
    }
    return groups;
  });
}

/** Measures the rounds of one load. The series of the default is in both groups, because both are compared with it. */
async function measure(
  { name, what, unit, rounds }: Load,
  sizes: Sizes,
  { onRound }: DurabilityOptions,
): Promise<Group[]> {
  const subjects = rounds.map((round, index) => ({ subject: subjectOf(index), measure: round }));
  const values = await interleave(subjects, sizes, ({ subject }, round, { value }: Measured) =>
    onRound?.(subject, round, value),
  );
  const [usual, ...durable] = subjects.map((one) => ({ ...one, unit, rounds: values.get(one) }));
  if (usual === undefined) throw new Error('There is no environment to measure in.');
  return durable.map((one, index) => ({
    name: `durability-${name}-${SYNC_INTERVALS[index + 1] ?? ''}`,
    what: `${one.subject}: ${what}`,
    series: [
      seriesOf({ ...one, role: 'ours' }, one.rounds),
      seriesOf({ ...usual, role: 'ceiling' }, usual.rounds),
    ],
    targets: [],
  }));
}

function subjectOf(index: number): string {
  return `fsync ${['every 2 minutes', 'every second', 'always'][index] ?? ''}`;
}

/** The brokers keep the acks of a drain too, so a drain also pays for fsync. */
function drainRound(fixture: DrainFixture): () => Promise<Measured> {
  return () => drainOnce(fixture, workerSubject(fixture, { role: 'ours' }));
}

async function withHttpFixtures<T>(
  environments: readonly Environment[],
  work: (fixtures: readonly HttpFixture[]) => Promise<T>,
  opened: readonly HttpFixture[] = [],
): Promise<T> {
  const [next, ...rest] = environments;
  if (next === undefined) return work(opened);
  return HttpFixture.whileOpen(next, (fixture) => withHttpFixtures(rest, work, [...opened, fixture]));
}

async function withDrainFixtures<T>(
  environments: readonly Environment[],
  plan: BacklogPlan,
  options: DurabilityOptions,
  work: (fixtures: readonly DrainFixture[]) => Promise<T>,
  opened: readonly DrainFixture[] = [],
): Promise<T> {
  const [next, ...rest] = environments;
  if (next === undefined) return work(opened);
  return withDrainFixture(next, plan, options, (fixture) =>
    withDrainFixtures(rest, plan, options, work, [...opened, fixture]),
  );
}
