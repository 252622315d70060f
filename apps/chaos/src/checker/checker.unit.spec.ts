/** Hand-made histories, each with one fault: the checker must find that, and no fault in a history without one. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Poison } from '../workload/message.js';
import { type AuditOpinion, REASON_OF } from './evidence.js';
import { judge, type RunEvidence, saneRun, type Submission, TOPIC } from './test/run-fixture.js';
import { type Verdict, VIOLATIONS, type ViolationName } from './verdict.js';

const produced = new Set<string>();

/** Judges a run. It remembers all violations that were ever found. */
function judged(run: RunEvidence): Verdict {
  const verdict = judge(run);
  for (const { name } of verdict.violations) produced.add(name);
  return verdict;
}

/** How often each violation was found. The audit is assumed to find the same. */
function found(run: RunEvidence): Partial<Record<ViolationName, number>> {
  const verdict = judged({ ...run, audit: undefined });
  expect(verdict.valid).toBe(false);
  return Object.fromEntries(verdict.violations.map(({ name, count }) => [name, count]));
}

/** Four events, a repeat, a conflict and a poison: sequences 101 to 107. */
const ORDINARY: readonly Submission[] = [
  { id: 'a' },
  { id: 'b' },
  { id: 'a' },
  { id: 'c' },
  { id: 'b', variant: 1 },
  { id: 'p', poison: 'not_json' },
  { id: 'd' },
];

function ordinary(change: (run: RunEvidence) => void = () => undefined): RunEvidence {
  const run = saneRun(ORDINARY);
  change(run);
  return run;
}

/** The row of a table at a sequence. */
function at<T extends { seq: number }>(rows: readonly T[], seq: number): T {
  const row = rows.find((candidate) => candidate.seq === seq);
  if (row === undefined) throw new Error(`there is no row at ${seq}`);
  return row;
}

function without<T extends { seq: number }>(rows: T[], seq: number): T {
  const [row] = rows.splice(rows.indexOf(at(rows, seq)), 1);
  return row as T;
}

/** The run has no counters and accounts. This is for tests that are not about counting. */
function uncounted(run: RunEvidence): RunEvidence {
  const sums = new Map<
    string,
    { stored: number; duplicates: number; conflicts: number; deadLetters: number }
  >();
  const of = (topic: string) => {
    const sum = sums.get(topic) ?? { stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 };
    sums.set(topic, sum);
    return sum;
  };
  for (const { topic } of run.events) of(topic).stored++;
  for (const { topic, conflict } of run.duplicates) {
    of(topic).duplicates++;
    if (conflict) of(topic).conflicts++;
  }
  for (const { topic } of run.deadLetters) of(topic).deadLetters++;
  run.counters = [...sums].map(([topic, sum]) => ({ topic, ...sum }));
  run.accounts = [];
  run.figures = [];
  run.surroundings.accounting = false;
  return run;
}

describe('a run without a fault', () => {
  it('is true, and its tally shows what was checked', () => {
    expect(judged(ordinary())).toEqual({
      valid: true,
      violations: [],
      unknowns: [],
      tally: {
        ...{ sent: 7, operations: 7, ok: 7, fail: 0, info: 0, acknowledged: 4, poison: 1 },
        ...{ unknownStored: 0, unknownNotStored: 0, stored: 4, duplicates: 2, conflicts: 1, deadLetters: 1 },
        ...{ exposed: 0, exposedLost: 0 },
      },
      audit: { exitCode: 0, says: 'whole' },
    });
  });

  it('is unknown when nothing was sent', () => {
    const verdict = judged(saneRun([]));
    expect(verdict).toMatchObject({ valid: 'unknown', unknowns: ['nothing was acknowledged'] });
  });

  it('is unknown when nothing was acknowledged', () => {
    expect(judged(saneRun([{ id: 'a', outcome: 'info' }])).valid).toBe('unknown');
  });

  it('may have events of unknown outcome, stored or not, and one that a retry saved', () => {
    const verdict = judged(
      saneRun([
        { id: 'stored', outcome: 'info', arrives: true },
        { id: 'gone', outcome: 'info' },
        { id: 'unfinished', outcome: 'open', arrives: true },
        { id: 'recovered', outcome: 'info', arrives: true },
        { id: 'recovered', inWindow: true },
        { id: 'saved', outcome: 'info' },
        { id: 'saved' },
      ]),
    );
    expect(verdict.valid).toBe(true);
    expect(verdict.tally).toMatchObject({ acknowledged: 2, unknownStored: 2, unknownNotStored: 1, info: 5 });
  });

  it('may have an event that was refused and then accepted, and one that was refused for good', () => {
    const verdict = judged(
      saneRun([{ id: 'a', outcome: 'fail' }, { id: 'a' }, { id: 'b', outcome: 'fail' }]),
    );
    expect(verdict).toMatchObject({ valid: true, tally: { fail: 2, stored: 1 } });
  });

  it('may have a conflict that the duplicate window dropped, so that only the first was ever in the stream', () => {
    const run = saneRun([{ id: 'a' }, { id: 'a', variant: 1, inWindow: true }]);
    expect(judged(run)).toMatchObject({ valid: true, tally: { duplicates: 0 } });
  });

  it('may have stored whichever of two payloads the worker met first', () => {
    const run = saneRun([{ id: 'a' }, { id: 'a', variant: 1 }], (seq) => -seq);
    expect(run.events).toMatchObject([{ seq: 102, variant: 1 }]);
    expect(judged(run).valid).toBe(true);
  });

  it('may have each kind of poison, acknowledged or of unknown outcome', () => {
    const kinds = Object.keys(REASON_OF) as Poison[];
    const run = saneRun([
      { id: 'e' },
      ...kinds.flatMap((poison): Submission[] => [
        { id: `ok ${poison}`, poison },
        { id: `arrived ${poison}`, poison, outcome: 'info', arrives: true },
        { id: `gone ${poison}`, poison, outcome: 'info' },
        { id: `refused ${poison}`, poison, outcome: 'fail' },
      ]),
    ]);
    expect(judged(run)).toMatchObject({ valid: true, tally: { poison: kinds.length } });
  });

  it('may have sequences that were purged after they had been settled', () => {
    const run = ordinary(({ surroundings, stream }) => {
      surroundings.streamFirstSeq = 106;
      stream.splice(0, 5);
    });
    expect(judged(run).valid).toBe(true);
  });

  it('may have sequences of others when it is not alone, and figures that others change', () => {
    const run = ordinary(({ surroundings, figures }) => {
      surroundings.alone = false;
      surroundings.lastSeq += 50;
      for (const { stats } of figures) Object.assign(stats, { unique_processed: 900, received: 903 });
      for (const { stats } of figures) Object.assign(stats.per_topic, { other: topicOf(896) });
    });
    expect(judged(run).valid).toBe(true);
  });

  it('may have any figure of what the brokers dropped, because that figure is soft', () => {
    const run = ordinary(({ figures }) => {
      const stats = figures[1]?.stats;
      Object.assign(stats?.duplicates ?? {}, { broker: 5 });
      Object.assign(stats ?? {}, { received: 12, duplicate_dropped: 7 });
      Object.assign(stats?.per_topic[TOPIC] ?? {}, { duplicate_dropped: 7 });
    });
    expect(judged(run).valid).toBe(true);
  });
});

describe('a loss found by the checker', () => {
  it('is an event that was acknowledged and is not stored', () => {
    const run = ordinary(({ events, keys }) => {
      without(events, 104);
      without(keys, 104);
    });
    expect(found(run)).toMatchObject({ lost: 1, unaccounted: 1, counters_differ: 1, figures_differ: 4 });
    // Its effect took place once, so its account is right.
    expect(found(run)).not.toHaveProperty('account_differs');
  });

  it('is an acknowledged message without a row, even if its event is stored by another', () => {
    expect(found(uncounted(ordinary(({ duplicates }) => void without(duplicates, 103))))).toEqual({
      ...{ lost: 1, unaccounted: 1 },
    });
  });

  it('is an acknowledged sequence that the stream never had', () => {
    const run = ordinary(({ history, surroundings }) => {
      history.push({
        ...{
          type: 'invoke',
          op: 90,
          atMs: 90,
          producer: 'p',
          via: 'nats',
          messages: [[TOPIC, 'a', 0, null]],
        },
      });
      history.push({ type: 'ok', op: 90, atMs: 91, messages: [['ok', surroundings.lastSeq + 1, 0]] });
    });
    expect(found(run)).toEqual({ lost: 1, misplaced: 1 });
  });

  it('is not made good by a duplicate elsewhere', () => {
    const run = ordinary(({ events, keys }) => {
      without(events, 104);
      without(keys, 104);
      events.push({ ...at(events, 102) });
    });
    expect(run.events).toHaveLength(4);
    const names = found(run);
    expect(names).toMatchObject({ lost: 1, duplicated: 1 });
    expect(names).not.toHaveProperty('counters_differ');
  });
});

describe('an event that is stored', () => {
  it('more than once is duplicated', () => {
    const run = ordinary(({ events }) => events.push({ ...at(events, 101), seq: 103 }));
    expect(found(uncounted(run))).toEqual({ duplicated: 1, counted_twice: 1 });
    const keys = ordinary((twice) => twice.keys.push({ ...at(twice.keys, 101) }));
    expect(found(keys)).toMatchObject({ duplicated: 1 });
  });

  it('and was never sent is unexpected', () => {
    const run = ordinary(({ surroundings, events, keys }) => {
      const seq = ++surroundings.lastSeq;
      events.push({ ...at(events, 101), seq, eventId: 'invented' });
      keys.push({ ...at(keys, 101), seq, eventId: 'invented' });
    });
    // The invented event has the amount of another.
    expect(found(uncounted(run))).toEqual({ unexpected: 2 });
  });

  it('and was refused for good is unexpected', () => {
    const run = saneRun([{ id: 'a' }, { id: 'b', outcome: 'fail', arrives: true }]);
    expect(found(run)).toEqual({ unexpected: 1 });
  });

  it('with a payload that was never sent, or only refused, is unexpected', () => {
    const run = saneRun([{ id: 'a' }, { id: 'a', variant: 1, outcome: 'fail' }]);
    for (const variant of [1, 2, 40, -1]) {
      at(run.events, 101).variant = variant;
      expect(found(run)).toEqual({ unexpected: 1, first_not_kept: 1 });
    }
  });

  it('may have any number of variants, which are distinguished', () => {
    const run = saneRun([
      { id: 'a', variant: 40 },
      { id: 'b', variant: 41 },
    ]);
    expect(judged(run).valid).toBe(true);
    at(run.events, 101).variant = 41;
    expect(found(run)).toEqual({ unexpected: 1, first_not_kept: 1 });
  });

  it('with another amount is unexpected', () => {
    expect(found(ordinary(({ events }) => void (at(events, 101).amount += 1)))).toEqual({ unexpected: 1 });
  });

  it('although it is poison is unexpected', () => {
    const run = ordinary(({ events, keys, deadLetters }) => {
      const { seq, topic, eventId } = without(deadLetters, 106);
      events.push({ ...at(events, 101), seq, topic, eventId });
      keys.push({ seq, topic, eventId });
    });
    expect(found(uncounted(run))).toMatchObject({ dead_letter_missing: 1, unexpected: 2 });
  });

  it('has a key, and the key an event, at one sequence', () => {
    expect(found(ordinary(({ keys }) => void without(keys, 104)))).toEqual({ key_without_event: 1 });
    expect(found(uncounted(ordinary(({ events }) => void without(events, 104))))).toEqual({
      ...{ lost: 1, key_without_event: 1 },
    });
    const apart = ordinary(({ keys }) => void (at(keys, 101).seq = 103));
    expect(found(apart)).toMatchObject({ key_without_event: 1 });
  });

  it('is written by the transaction that writes its key', () => {
    const run = ordinary(({ apart, keys }) => void apart.push(at(keys, 104)));
    expect(found(run)).toEqual({ committed_apart: 1 });
  });
});

describe('a sequence of the stream', () => {
  it('that no row names is unaccounted, purged or not', () => {
    const run = saneRun([{ id: 'a' }, { id: 'a', outcome: 'info', arrives: true }]);
    run.duplicates.pop();
    expect(found(uncounted(run))).toEqual({ unaccounted: 1 });
    run.surroundings.streamFirstSeq = 103;
    run.stream.length = 0;
    expect(found(run)).toEqual({ unaccounted: 1 });
  });

  it('that was purged, and whose producer did not learn it, may have its row in a former incarnation', () => {
    const run = saneRun([{ id: 'a' }, { id: 'a', outcome: 'info', arrives: true }]);
    at(run.duplicates, 102).incarnation = 7;
    run.surroundings.streamFirstSeq = 103;
    run.stream.length = 0;
    expect(judged(run).violations).toEqual([]);
    run.duplicates.pop();
    expect(found(uncounted(run))).toEqual({ unaccounted: 1 });
  });

  it('that two tables name is counted twice', () => {
    const run = ordinary(({ duplicates }) => duplicates.push({ ...at(duplicates, 103), seq: 104 }));
    expect(found(uncounted(run))).toMatchObject({ counted_twice: 1 });
  });

  it('has the row of the message that the stream has there, or had', () => {
    const run = ordinary(({ events, keys }) => {
      for (const rows of [events, keys]) {
        const [c, d] = [at(rows, 104), at(rows, 107)];
        [c.seq, d.seq] = [d.seq, c.seq];
      }
    });
    expect(found(run)).toEqual({ misplaced: 4 });
    run.stream.length = 0;
    expect(found(run)).toEqual({ misplaced: 4 });
  });

  it('is acknowledged for one message only, and is one of the run', () => {
    const twice = ordinary(({ history }) => {
      const end = history.findIndex((line) => line.type === 'ok' && line.op === 7);
      history[end] = { type: 'ok', op: 7, atMs: 9, messages: [['ok', 101, 0]] };
    });
    expect(found(twice)).toEqual({ misplaced: 1 });
    const row = ordinary(({ deadLetters }) => void (at(deadLetters, 106).seq = 7));
    expect(found(row)).toMatchObject({ misplaced: 1, unaccounted: 1 });
  });
});

describe('a duplicate in the ledger', () => {
  it('does not replace what came first', () => {
    const run = ordinary(({ events }) => void (at(events, 102).variant = 1));
    expect(found(run)).toEqual({ first_not_kept: 1, conflict_misjudged: 1 });
    run.stream.length = 0;
    expect(found(run)).toEqual({ first_not_kept: 1, conflict_misjudged: 1 });
  });

  it('names the sequence that is stored', () => {
    expect(found(ordinary(({ duplicates }) => void (at(duplicates, 103).firstSeq = 102)))).toEqual({
      first_not_kept: 1,
    });
  });

  it('is a conflict when its payload differs, and only then', () => {
    const missed = ordinary(({ duplicates }) => void (at(duplicates, 105).conflict = false));
    expect(found(uncounted(missed))).toEqual({ conflict_misjudged: 1 });
    const invented = ordinary(({ duplicates }) => void (at(duplicates, 103).conflict = true));
    expect(found(uncounted(invented))).toEqual({ conflict_misjudged: 1 });
  });

  it('keeps the payload that differs', () => {
    const none = ordinary(({ duplicates }) => delete at(duplicates, 105).variant);
    expect(found(none)).toEqual({ conflict_misjudged: 1 });
    const wrong = ordinary(({ duplicates }) => void (at(duplicates, 105).variant = 0));
    expect(found(wrong)).toEqual({ conflict_misjudged: 1 });
  });
});

describe('a poisonous message', () => {
  it('that was acknowledged is a dead letter', () => {
    const run = uncounted(ordinary(({ deadLetters }) => void without(deadLetters, 106)));
    expect(found(run)).toEqual({ dead_letter_missing: 1, unaccounted: 1 });
  });

  it('that was acknowledged as a duplicate is a dead letter, too', () => {
    const run = saneRun([
      { id: 'a' },
      { id: 'p', poison: 'nul', outcome: 'info', arrives: true },
      { id: 'p', poison: 'nul', inWindow: true },
    ]);
    expect(judged(run).valid).toBe(true);
    run.deadLetters.pop();
    expect(found(uncounted(run))).toEqual({ dead_letter_missing: 1, unaccounted: 1 });
  });

  it('that was refused for good, or was not poison, is not a dead letter', () => {
    const refused = saneRun([{ id: 'a' }, { id: 'p', poison: 'nul', outcome: 'fail', arrives: true }]);
    expect(found(refused)).toEqual({ dead_letter_unexpected: 1 });
    const event = ordinary(({ events, keys, deadLetters }) => {
      const { seq, topic, eventId } = without(events, 104);
      without(keys, 104);
      deadLetters.push({ seq, topic, eventId, reason: 'process_ended' });
    });
    expect(found(uncounted(event))).toEqual({ lost: 1, dead_letter_unexpected: 1 });
  });

  it('has the reason that fits, known by its sequence or by its event id', () => {
    const run = ordinary(({ deadLetters }) => void (at(deadLetters, 106).reason = 'too_large'));
    expect(found(run)).toEqual({ reason_wrong: 1 });
    const unknown = saneRun([{ id: 'a' }, { id: 'p', poison: 'nul', outcome: 'info', arrives: true }]);
    at(unknown.deadLetters, 102).eventId = '';
    expect(judged(unknown).valid).toBe(true);
    at(unknown.deadLetters, 102).reason = 'not_json';
    expect(found(unknown)).toEqual({ reason_wrong: 1 });
  });
});

describe('the sums of a run', () => {
  it('of a counter are those of its rows', () => {
    const run = ordinary(({ counters }) => {
      for (const counter of counters) counter.duplicates++;
    });
    expect(found(run)).toEqual({ counters_differ: 1 });
    expect(found(ordinary((none) => (none.counters = [])))).toEqual({ counters_differ: 4 });
  });

  it('of an account are those of the events, each once', () => {
    const high = ordinary(({ accounts }) => {
      for (const account of accounts) account.events++;
    });
    expect(found(high)).toEqual({ account_differs: 1, duplicated: 1 });
    const low = ordinary(({ accounts }) => {
      for (const account of accounts) account.sum -= 7;
    });
    expect(found(low)).toEqual({ account_differs: 1 });
    expect(found(ordinary((none) => (none.accounts = [])))).toEqual({ account_differs: 1 });
  });

  it('of a gateway add up, and are those of the rows', () => {
    const sum = ordinary(({ figures }) =>
      figures.forEach(({ stats }) => Object.assign(stats, { received: 8 })),
    );
    expect(found(sum)).toEqual({ figures_differ: 2 });
    const rows = ordinary(({ figures }) =>
      figures.forEach(({ stats }) => Object.assign(stats, { conflicts: 2 })),
    );
    expect(found(rows)).toEqual({ figures_differ: 4 });
    const topics = ordinary(({ figures }) =>
      figures.forEach(({ stats }) => Object.assign(stats, { topics: [] })),
    );
    expect(found(topics)).toEqual({ figures_differ: 2 });
  });

  it('of two gateways are the same', () => {
    const run = ordinary(({ figures }) => Object.assign(figures[1]?.stats ?? {}, { redelivered: 4 }));
    expect(found(run)).toEqual({ gateways_disagree: 1 });
  });
});

describe('a system that did not settle everything in time', () => {
  it('never drained; what is in flight is neither lost nor unaccounted', () => {
    const run = ordinary(({ surroundings, events, keys, deadLetters, figures }) => {
      surroundings.drained = false;
      without(events, 107);
      without(keys, 107);
      without(deadLetters, 106);
      figures.length = 0;
    });
    expect(found(uncounted(run))).toEqual({ never_drained: 2 });
  });

  it.each([
    ['never drained, even if every row is there', { drained: false }, 'never_drained'],
    [
      'not whole again after a fault',
      { notHealed: ['fill-disk-of-one-broker: nats-2 is away'] },
      'not_healed',
    ],
    ['silent although most brokers were together', { stalls: ['nothing was settled'] }, 'stalled'],
  ])('%s', (_, surroundings, violation) => {
    expect(found(ordinary((run) => Object.assign(run.surroundings, surroundings)))).toEqual({
      [violation]: 1,
    });
  });
});

describe('the opinion of the audit', () => {
  it('that contradicts is a violation', () => {
    const worse = ordinary((run) => (run.audit = { exitCode: 1, says: '1 sequence lost' }));
    expect(judged(worse)).toMatchObject({
      valid: false,
      violations: [{ name: 'audit_disagrees', count: 1 }],
    });
    const better = ordinary(({ keys }) => void without(keys, 104));
    expect(judged(better).violations.map(({ name }) => name)).toEqual([
      'key_without_event',
      'audit_disagrees',
    ]);
  });

  it('that misses what brokers acknowledged is believed where a fault made them lose it, and nowhere else', () => {
    const broken = { exitCode: 1, says: '28 sequences acknowledged', onlyBrokenPromises: true };
    const lossWindows = [{ fromMs: 0, untilMs: 1 }];
    const run = (lost: typeof lossWindows, audit: AuditOpinion): RunEvidence =>
      ordinary((evidence) => {
        evidence.surroundings.lossWindows = lost;
        evidence.audit = audit;
      });
    expect(judged(run(lossWindows, broken))).toMatchObject({ valid: true, violations: [] });
    expect(judged(run([], broken))).toMatchObject({ violations: [{ name: 'audit_disagrees' }] });
    const more = { ...broken, onlyBrokenPromises: false };
    expect(judged(run(lossWindows, more))).toMatchObject({ violations: [{ name: 'audit_disagrees' }] });
  });

  it('that is unknown, or may concern events of others, makes the verdict unknown', () => {
    const silent = ordinary((run) => (run.audit = { exitCode: 2, says: 'no consumer' }));
    expect(judged(silent)).toMatchObject({ valid: 'unknown' });
    const others = ordinary((run) => {
      run.surroundings.alone = false;
      run.audit = { exitCode: 1, says: '1 sequence lost' };
    });
    expect(judged(others).valid).toBe('unknown');
  });
});

describe('evidence that could not be read', () => {
  it('makes the verdict unknown, and does not count against the system', () => {
    const run = ordinary((none) => {
      for (const rows of [none.events, none.keys, none.duplicates, none.deadLetters]) rows.length = 0;
      none.unreadable.push(['database', 'ECONNREFUSED'], ['stream', 'timeout'], ['stream', 'timeout']);
    });
    expect(judged(run)).toMatchObject({
      ...{ valid: 'unknown', unknowns: ['database: ECONNREFUSED', 'stream: timeout (and 1 more)'] },
    });
  });

  it('does not hide a violation', () => {
    const run = ordinary(({ unreadable, events }) => {
      unreadable.push(['stream', 'timeout']);
      without(events, 101);
    });
    expect(found(run)).toMatchObject({ lost: 1 });
  });

  it('includes a history that contradicts itself', () => {
    const run = ordinary(({ history }) => history.splice(0, 1));
    expect(judged(run)).toMatchObject({ valid: 'unknown', unknowns: [expect.stringContaining('history')] });
  });
});

describe('the examples of a violation', () => {
  it('are few, and the count is exact', () => {
    const run = saneRun(Array.from({ length: 100 }, (_, n) => ({ id: `e${n}` })));
    run.events.length = 0;
    run.keys.length = 0;
    const lost = judged(run).violations.find(({ name }) => name === 'lost');
    expect(lost).toMatchObject({ count: 100 });
    expect(lost?.examples).toHaveLength(20);
    expect(lost?.examples[0]).toBe(`${TOPIC}:e0: acknowledged as sequence 101, not stored`);
  });
});

describe('the verdict on any run', () => {
  const submission = fc.record(
    {
      id: fc.integer({ min: 0, max: 12 }).map((n) => `e${n}`),
      topic: fc.constantFrom('chaos-1.a', 'chaos-1.b'),
      variant: fc.integer({ min: 0, max: 2 }),
      outcome: fc.constantFrom(
        'ok' as const,
        'ok' as const,
        'info' as const,
        'open' as const,
        'fail' as const,
      ),
      inWindow: fc.boolean(),
    },
    { requiredKeys: ['id'] },
  );
  const poisonous = fc.record({
    id: fc.integer({ min: 0, max: 4 }).map((n) => `p${n}`),
    poison: fc.constantFrom(...(Object.keys(REASON_OF) as Poison[])),
    outcome: fc.constantFrom('ok' as const, 'fail' as const, 'info' as const),
  });
  const runs = fc
    .tuple(
      fc.array(fc.oneof({ weight: 6, arbitrary: submission }, { weight: 1, arbitrary: poisonous })),
      fc.boolean(),
      fc.integer({ min: 1, max: 1_000 }),
    )
    .map(([submissions, arrives, shuffle]) => {
      const all = submissions.map((one) => ({ ...one, arrives: arrives && one.outcome !== 'fail' }));
      const sent = all.map(({ arrives: reached, ...one }) =>
        one.outcome === undefined || one.outcome === 'ok' ? one : { ...one, arrives: reached },
      );
      return saneRun([{ id: 'first' }, ...sent], (seq) => (seq * 7_919) % shuffle);
    });
  /** The fault must be visible without any sum. */
  const unsummed = (run: RunEvidence): RunEvidence => ({ ...uncounted(run), audit: undefined });
  const tables = ['events', 'keys', 'duplicates', 'deadLetters'] as const;

  it('of a system that keeps the promise is true', () => {
    fc.assert(fc.property(runs, (run) => judge(run).valid === true));
  });

  it('is false when any one row is missing', () => {
    fc.assert(
      fc.property(runs, fc.constantFrom(...tables), fc.nat(), (run, table, index) => {
        const rows = run[table];
        fc.pre(rows.length > 0);
        rows.splice(index % rows.length, 1);
        return judge(unsummed(run)).valid === false;
      }),
    );
  });

  it('is false when any one row is there twice', () => {
    fc.assert(
      fc.property(runs, fc.constantFrom(...tables), fc.nat(), (run, table, index) => {
        const rows: object[] = run[table];
        fc.pre(rows.length > 0);
        rows.push({ ...rows[index % rows.length] });
        return judge(unsummed(run)).valid === false;
      }),
    );
  });
});

describe('every violation of the checker', () => {
  it('was found by a test above', () => {
    expect([...produced].sort()).toEqual(Object.keys(VIOLATIONS).sort());
  });
});

function topicOf(stored: number) {
  return { unique_processed: stored, duplicate_dropped: 0, conflicts: 0, dead_letters: 0 };
}
