/**
 * How fast the events of an outbox are published: those that wait, those that are committed meanwhile, and a few of a large
 * backlog. What is compared is the plainest outbox (plain-outbox.ts), and the outbox without a backlog.
 */
import type { Environment } from '../environment/environment.js';
import { measureRounds, type OnRound, type Subject } from '../http/subjects.js';
import { type Bound, type Group, type Measured, median, type Series } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import { OutboxFixture } from './outbox-fixture.js';
import type { OutboxKind } from './outbox-order.js';

const UNIT = 'events/s';
const OURS = 'outbox and relay of the library';
const BASELINE = 'baseline: FOR UPDATE SKIP LOCKED, js.publish, DELETE';
/** Events in each transaction of the service that commits while its relay publishes. */
const EVENTS_PER_COMMIT = [1, 10, 100] as const;
/** With this many events in a transaction or more, a round has as many events as one of events that wait. */
const WHOLE_ROUND_FROM = 10;
const COMMITTED_PER_SECOND_MIN = 10_000;
/** "Flat": a difference of 20 %. */
const FLAT_AT_LEAST = 0.8;

/** What a measurement reports while it is running. */
interface OutboxReporter {
  readonly onRound: OnRound;
  readonly onProgress: (doing: string) => void;
}

/** Measures the outbox. @throws WrongSubjectError when events are missing */
export async function measureOutbox(
  environment: Environment,
  sizes: Sizes,
  reporter: OutboxReporter,
): Promise<Group[]> {
  return OutboxFixture.whileOpen(environment, async (fixture) => {
    const groups = [await measureWaiting(fixture, sizes, reporter)];
    for (const eventsPerCommit of EVENTS_PER_COMMIT)
      groups.push(await measureCommits(fixture, sizes, reporter, eventsPerCommit));
    // It is the last, because its events stay.
    return [...groups, await measureBacklog(fixture, sizes, reporter)];
  });
}

async function measureWaiting(
  fixture: OutboxFixture,
  sizes: Sizes,
  { onRound }: OutboxReporter,
): Promise<Group> {
  const { outboxEvents: events } = sizes;
  const series = await measureRounds(
    [
      subject('ours', OURS, () => filledRound(fixture, 'library', events)),
      subject('ceiling', BASELINE, () => filledRound(fixture, 'plain', events)),
    ],
    sizes,
    onRound,
  );
  const what = `${events.toLocaleString('en')} events that wait in an outbox are published`;
  return { name: 'outbox', what, series, targets: [{ against: 'ceiling', atLeast: 1 }] };
}

async function measureCommits(
  fixture: OutboxFixture,
  sizes: Sizes,
  { onRound }: OutboxReporter,
  eventsPerCommit: (typeof EVENTS_PER_COMMIT)[number],
): Promise<Group> {
  const events = Math.round(sizes.outboxEvents * Math.min(1, eventsPerCommit / WHOLE_ROUND_FROM));
  const order = { events, eventsPerCommit };
  const series = await measureRounds(
    [
      subject('ours', OURS, () => fixture.round({ kind: 'library', ...order })),
      subject('ceiling', BASELINE, () => fixture.round({ kind: 'plain', ...order })),
    ],
    sizes,
    onRound,
  );
  const each = eventsPerCommit === 1 ? 'one' : String(eventsPerCommit);
  return {
    name: `outbox-commits-${eventsPerCommit}`,
    what: `events are committed, ${each} a transaction, and published`,
    series,
    targets: [{ against: 'ceiling', atLeast: 1 }],
    ...(eventsPerCommit > 1 && { bounds: boundsOf(series) }),
  };
}

function boundsOf([ours]: readonly Series[]): Bound[] {
  const found = median(ours?.values ?? []);
  return [{ what: 'committed and published', unit: UNIT, found, atLeast: COMMITTED_PER_SECOND_MIN }];
}

/** The rounds at the head of the backlog do not alternate with those without one, because it is filled once. */
async function measureBacklog(
  fixture: OutboxFixture,
  sizes: Sizes,
  { onRound, onProgress }: OutboxReporter,
): Promise<Group> {
  const { outboxEvents: events, outboxBacklog: backlog } = sizes;
  const few = await measureRounds(
    [subject('ceiling', 'no backlog', () => filledRound(fixture, 'library', events))],
    sizes,
    onRound,
  );
  await fixture.fill('library', backlog, onProgress);
  const many = await measureRounds(
    [subject('ours', 'at the head of the backlog', () => fixture.round({ kind: 'library', events }))],
    sizes,
    onRound,
  );
  return {
    name: 'outbox-backlog',
    what: `events of an outbox with a backlog of ${backlog.toLocaleString('en')} are published`,
    series: [...many, ...few],
    targets: [{ against: 'ceiling', atLeast: FLAT_AT_LEAST }],
  };
}

async function filledRound(fixture: OutboxFixture, kind: OutboxKind, events: number): Promise<Measured> {
  await fixture.fill(kind, events);
  return fixture.round({ kind, events });
}

function subject(role: Subject['role'], name: string, measure: Subject['measure']): Subject {
  return { role, subject: name, unit: UNIT, measure };
}
