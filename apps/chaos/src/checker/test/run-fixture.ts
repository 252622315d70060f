/**
 * Small runs for the tests of the checker. They are a model of a system that keeps the promise, whose evidence a test
 * may then falsify.
 */
import type { StatsView } from '#contracts';
import type { Operation, Outcome } from '../../history/operation.js';
import { amountOf, type Poison } from '../../workload/message.js';
import { Checker, type Source } from '../checker.js';
import {
  REASON_OF,
  type Account,
  type AuditOpinion,
  type GatewayFigures,
  type StoredDeadLetter,
  type StoredDuplicate,
  type StoredEvent,
  type StoredKey,
  type StreamMessage,
  type Surroundings,
  type TopicCounters,
} from '../evidence.js';
import type { Verdict } from '../verdict.js';

/** One message that a producer sends, and its fate. */
export interface Submission {
  readonly id: string;
  readonly topic?: string;
  readonly variant?: number;
  readonly poison?: Poison;
  /** *ok* when left out; `open` for one whose producer never writes an end. */
  readonly outcome?: Outcome | 'open';
  /** Whether the brokers get it. When left out, the outcome decides: *ok* only. */
  readonly arrives?: boolean;
  /** Whether the brokers' duplicate window is to catch it. */
  readonly inWindow?: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Everything that a checker receives. */
export interface RunEvidence {
  readonly surroundings: Mutable<Surroundings>;
  readonly history: Operation[];
  readonly stream: Mutable<StreamMessage>[];
  events: Mutable<StoredEvent>[];
  keys: Mutable<StoredKey>[];
  readonly duplicates: Mutable<StoredDuplicate>[];
  /** Events that come from another transaction than their keys. */
  readonly apart: StoredKey[];
  deadLetters: Mutable<StoredDeadLetter>[];
  counters: Mutable<TopicCounters>[];
  accounts: Mutable<Account>[];
  figures: Mutable<GatewayFigures>[];
  audit: AuditOpinion | undefined;
  readonly unreadable: [source: Source, why: string][];
}

/** A topic of these runs. */
export const TOPIC = 'chaos-1.orders';

const FIRST_SEQ = 101;

/**
 * The evidence of a run in which the promise was kept.
 *
 * @param order in which the worker takes the messages: a number for each, the smallest first
 */
export function saneRun(
  submissions: readonly Submission[],
  order: (seq: number) => number = (seq) => seq,
): RunEvidence {
  const run: RunEvidence = {
    surroundings: {
      firstSeq: FIRST_SEQ,
      lastSeq: FIRST_SEQ - 1,
      streamFirstSeq: FIRST_SEQ,
      alone: true,
      drained: true,
      accounting: true,
    },
    ...{ history: [], stream: [], events: [], keys: [], apart: [], duplicates: [], deadLetters: [] },
    ...{ counters: [], accounts: [], figures: [], audit: { exitCode: 0, says: 'whole' }, unreadable: [] },
  };
  const poison = submissions.flatMap((submission, index) => {
    const seq = send(run, submission, index + 1);
    return seq === undefined || submission.poison === undefined ? [] : [[seq, submission.poison] as const];
  });
  const poisonAt = new Map(poison);
  for (const message of [...run.stream].sort((a, b) => order(a.seq) - order(b.seq) || a.seq - b.seq)) {
    settle(run, message, poisonAt.get(message.seq));
  }
  sumUp(run);
  return run;
}

/** Writes the submission into the history and, if it arrives, into the stream. @returns its sequence there */
function send(run: RunEvidence, submission: Submission, op: number): number | undefined {
  const { id, topic = TOPIC, variant = 0, poison, outcome = 'ok', inWindow = false } = submission;
  const sent = [topic, id, variant, poison ?? null] as const;
  run.history.push({
    ...{ type: 'invoke', op, atMs: op, producer: 'p1', via: 'nats', messages: [sent] },
  });
  const known = inWindow ? run.stream.find((one) => one.topic === topic && one.eventId === id) : undefined;
  const arrives = known === undefined && (submission.arrives ?? outcome === 'ok');
  const seq = arrives ? ++run.surroundings.lastSeq : (known?.seq ?? 0);
  if (arrives) run.stream.push({ seq, topic, eventId: id, ...(poison ? {} : { variant }) });
  if (outcome !== 'open') {
    const answered = outcome === 'ok' ? seq : 0;
    const end = [outcome, answered, known === undefined ? 0 : 1] as const;
    run.history.push({ type: outcome, op, atMs: op + 1, messages: [end] });
  }
  return arrives ? seq : undefined;
}

function settle(run: RunEvidence, message: StreamMessage, poison: Poison | undefined): void {
  const { seq, topic, eventId, variant = 0 } = message;
  if (poison !== undefined) {
    run.deadLetters.push({ seq, topic, eventId, reason: REASON_OF[poison] });
    return;
  }
  const first = run.events.find((event) => event.topic === topic && event.eventId === eventId);
  if (first === undefined) {
    run.events.push({ seq, topic, eventId, variant, amount: amountOf(topic, eventId) });
    run.keys.push({ seq, topic, eventId });
    return;
  }
  const conflict = first.variant !== variant;
  const duplicate = { seq, topic, eventId, firstSeq: first.seq, conflict };
  run.duplicates.push(conflict ? { ...duplicate, variant } : duplicate);
}

/** Makes counters, accounts and figures agree with the rows. */
function sumUp(run: RunEvidence): void {
  const topics = [...new Set(run.stream.map((message) => message.topic))];
  const of = <T extends { topic: string }>(rows: readonly T[], topic: string): T[] =>
    rows.filter((row) => row.topic === topic);
  run.counters = topics.map((topic) => ({
    topic,
    stored: of(run.events, topic).length,
    duplicates: of(run.duplicates, topic).length,
    conflicts: of(run.duplicates, topic).filter((row) => row.conflict).length,
    deadLetters: of(run.deadLetters, topic).length,
  }));
  run.accounts = topics.map((topic) => ({
    topic,
    sum: of(run.events, topic).reduce((sum, event) => sum + event.amount, 0),
    events: of(run.events, topic).length,
  }));
  run.figures = ['gateway-1', 'gateway-2'].map((gateway) => ({ gateway, stats: statsOf(run) }));
}

function statsOf({ counters, stream }: RunEvidence): Mutable<StatsView> {
  const sum = (name: 'stored' | 'duplicates' | 'conflicts' | 'deadLetters'): number =>
    counters.reduce((total, counter) => total + counter[name], 0);
  return {
    received: stream.length,
    unique_processed: sum('stored'),
    duplicate_dropped: sum('duplicates'),
    topics: counters.filter((counter) => counter.stored > 0).map((counter) => counter.topic),
    uptime_seconds: Math.random() * 100,
    duplicates: { broker: 0, store: sum('duplicates') },
    conflicts: sum('conflicts'),
    dead_letters: sum('deadLetters'),
    in_flight: 0,
    redelivered: 3,
    per_topic: Object.fromEntries(
      counters.map(({ topic, stored, duplicates, conflicts, deadLetters }) => [
        topic,
        { unique_processed: stored, duplicate_dropped: duplicates, conflicts, dead_letters: deadLetters },
      ]),
    ),
    more_topics: false,
    gone: 0,
    lag_seconds: 0,
    expires_in_seconds: null,
    ids_kept_days: null,
  };
}

/** Passes the evidence to a checker. */
export function judge(run: RunEvidence): Verdict {
  const checker = new Checker(run.surroundings);
  for (const line of run.history) checker.operation(line);
  for (const message of run.stream) checker.streamMessage(message);
  for (const row of run.events) checker.storedEvent(row);
  for (const row of run.keys) checker.storedKey(row);
  for (const row of run.apart) checker.committedApart(row);
  for (const row of run.duplicates) checker.storedDuplicate(row);
  for (const row of run.deadLetters) checker.storedDeadLetter(row);
  for (const row of run.counters) checker.topicCounters(row);
  for (const row of run.accounts) checker.account(row);
  for (const row of run.figures) checker.gatewayFigures(row);
  for (const [source, why] of run.unreadable) checker.unreadable(source, why);
  if (run.audit !== undefined) checker.auditOpinion(run.audit);
  return checker.verdict();
}
