/**
 * Runs in which the brokers were put back: what was acknowledged meanwhile may be lost, and nothing else.
 *
 *   a, b, poison q stored │ copied │ c, poison p stored │ rolled back │ d, e stored: they take the sequences of c and p
 */
import { describe, expect, it } from '@jest/globals';
import { amountOf } from '../workload/message.js';
import { judge, type RunEvidence, saneRun, type Submission, TOPIC } from './test/run-fixture.js';
import type { Verdict, ViolationName } from './verdict.js';

const FORMER = 1;
const WINDOW = { fromMs: 100, untilMs: 200 };
const BEFORE: readonly Submission[] = [{ id: 'a' }, { id: 'b' }, { id: 'q', poison: 'not_json' }];
const AFTER: readonly Submission[] = [{ id: 'd' }, { id: 'e' }];
/** The first sequence that was given twice. */
const PARTED_AT = 104;

const AUDIT_DISAGREES = ['audit_disagrees', 1];

/** What a system may do with the beginning that both incarnations of the stream share. */
type Treatment = 'relabelled' | 'left in the former incarnation' | 'read again';

/** The evidence of a system that noticed, and lost nothing that was accepted before or after. */
function rolledBack(treatment: Treatment = 'relabelled', after: readonly Submission[] = AFTER): RunEvidence {
  const run = saneRun([...BEFORE, ...after]);
  run.surroundings.lossWindows = [WINDOW];
  at(run, BEFORE.length + 1, 1_000);
  exposed(run, 'c', 'ok', PARTED_AT);
  exposed(run, 'p', 'ok', PARTED_AT + 1, 'not_json');
  keepFormer(run, 'c', PARTED_AT);
  run.deadLetters.push({
    seq: PARTED_AT + 1,
    incarnation: FORMER,
    topic: TOPIC,
    eventId: 'p',
    reason: 'not_json',
  });
  if (treatment !== 'relabelled') {
    for (const row of [...run.events, ...run.keys, ...run.deadLetters])
      if (row.seq < PARTED_AT) row.incarnation = FORMER;
    for (const { first, rows } of [{ first: 'firstIncarnation', rows: run.duplicates }] as const)
      for (const row of rows) if (row.firstSeq < PARTED_AT) row[first] = FORMER;
  }
  if (treatment === 'read again') {
    for (const { seq, topic, eventId } of run.stream.filter(
      ({ seq, eventId }) => seq < PARTED_AT && eventId !== 'q',
    ))
      run.duplicates.push({ seq, topic, eventId, firstSeq: seq, firstIncarnation: FORMER, conflict: false });
  }
  return counted(run);
}

/** Moves the operations from this one on behind the roll back. */
function at(run: RunEvidence, fromOp: number, shiftMs: number): void {
  for (const [index, line] of run.history.entries())
    if (line.op >= fromOp) run.history[index] = { ...line, atMs: line.atMs + shiftMs };
}

/** An operation of the time in which everything may be lost. */
function exposed(
  run: RunEvidence,
  id: string,
  outcome: 'ok' | 'info',
  seq: number,
  poison: 'not_json' | null = null,
): void {
  const op = 100 + run.history.length;
  run.history.push(
    { type: 'invoke', op, atMs: 120, producer: 'p1', via: 'nats', messages: [[TOPIC, id, 0, poison]] },
    { type: outcome, op, atMs: 130, messages: [[outcome, seq, 0]] },
  );
}

/** The database has it from the former incarnation. */
function keepFormer(run: RunEvidence, eventId: string, seq: number): void {
  const row = { seq, incarnation: FORMER, topic: TOPIC, eventId };
  run.events.push({ ...row, variant: 0, amount: amountOf(TOPIC, eventId) });
  run.keys.push(row);
}

/** Makes counters and accounts agree with the rows. The gateways are not asked. */
function counted(run: RunEvidence): RunEvidence {
  run.figures = [];
  run.counters = [
    {
      topic: TOPIC,
      stored: run.events.length,
      duplicates: run.duplicates.length,
      conflicts: run.duplicates.filter(({ conflict }) => conflict).length,
      deadLetters: run.deadLetters.length,
    },
  ];
  const sum = run.events.reduce((total, { amount }) => total + amount, 0);
  run.accounts = [{ topic: TOPIC, sum, events: run.events.length }];
  return run;
}

function drop(run: RunEvidence, id: string): void {
  for (const table of ['events', 'keys'] as const) {
    const index = run[table].findIndex(({ eventId }) => eventId === id);
    run[table].splice(index, 1);
  }
}

function namesOf({ violations }: Verdict): ViolationName[] {
  return violations.map(({ name }) => name);
}

describe('a run in which the brokers were put back', () => {
  it.each<Treatment>(['relabelled', 'left in the former incarnation'])(
    'is true when everything accepted before and after is stored; its common beginning may be %s',
    (treatment) => {
      const verdict = judge(rolledBack(treatment));
      expect(verdict).toMatchObject({ valid: true, violations: [] });
      expect(verdict.tally).toMatchObject({ acknowledged: 4, exposed: 1, exposedLost: 0, stored: 5 });
    },
  );

  it('counts once what both incarnations have, although it may be read again', () => {
    const { valid, violations } = judge(rolledBack('read again'));
    expect(valid).toBe(false);
    expect(violations.map(({ name, count }) => [name, count])).toEqual([
      ['counted_twice', 2],
      AUDIT_DISAGREES,
    ]);
  });

  it('may have lost what was acknowledged meanwhile', () => {
    const run = rolledBack();
    drop(run, 'c');
    run.deadLetters = run.deadLetters.filter(({ eventId }) => eventId !== 'p');
    const verdict = judge(counted(run));
    expect(verdict).toMatchObject({ valid: true, tally: { exposed: 1, exposedLost: 1 } });
  });

  it('must have a dead letter of the poison that came before', () => {
    const run = rolledBack('left in the former incarnation');
    run.deadLetters = run.deadLetters.filter(({ eventId }) => eventId !== 'q');
    expect(namesOf(judge(counted(run)))).toContain('dead_letter_missing');
  });

  it('may not have lost anything else, whatever the audit finds', () => {
    for (const id of ['a', 'b', 'd', 'e']) {
      const run = rolledBack();
      drop(run, id);
      const verdict = judge(counted(run));
      expect(verdict.valid).toBe(false);
      expect(namesOf(verdict)).toEqual(expect.arrayContaining(['lost', 'unaccounted', 'audit_disagrees']));
    }
  });

  it('must have stored what was acknowledged meanwhile and once more afterwards', () => {
    const again = rolledBack('relabelled', [...AFTER, { id: 'c' }]);
    // The database has the first one, so the second is a duplicate of another incarnation.
    drop(again, 'c');
    again.events.pop();
    again.keys.pop();
    keepFormer(again, 'c', PARTED_AT);
    again.duplicates.push({
      ...{
        seq: 106,
        topic: TOPIC,
        eventId: 'c',
        firstSeq: PARTED_AT,
        firstIncarnation: FORMER,
        conflict: false,
      },
    });
    expect(judge(counted(again))).toMatchObject({ valid: true, tally: { acknowledged: 5, exposed: 0 } });
    const lost = rolledBack('relabelled', [...AFTER, { id: 'c' }]);
    lost.events = lost.events.filter(({ eventId }) => eventId !== 'c');
    lost.keys = lost.keys.filter(({ eventId }) => eventId !== 'c');
    expect(namesOf(judge(counted(lost)))).toContain('lost');
  });

  it('may have events of unknown outcome, stored by either consumer or by none', () => {
    for (const stored of [true, false]) {
      for (const added of [0, 1]) {
        const run = rolledBack();
        exposed(run, 'x', 'info', 0);
        if (stored) keepFormer(run, 'x', 106);
        counted(run);
        const [account] = run.accounts;
        const amount = (added - Number(stored)) * amountOf(TOPIC, 'x');
        if (account !== undefined) account.sum += amount;
        if (account !== undefined) account.events += added - Number(stored);
        expect(judge(run)).toMatchObject({ valid: true });
      }
    }
  });

  it('is false when an account has more than it could ever have received', () => {
    const run = rolledBack();
    const [account] = run.accounts;
    if (account !== undefined) account.events += 1;
    expect(namesOf(judge(run))).toEqual(['duplicated', 'account_differs']);
  });

  it('stores an event once over all incarnations', () => {
    const run = rolledBack();
    keepFormer(run, 'd', 106);
    expect(namesOf(judge(counted(run)))).toContain('duplicated');
  });

  it('is false when the rows of the former history still stand for the sequences of the new one', () => {
    const run = rolledBack();
    for (const id of ['d', 'e']) drop(run, id);
    for (const row of [...run.events, ...run.keys, ...run.deadLetters]) delete row.incarnation;
    const names = namesOf(judge(counted(run)));
    expect(names).toEqual(expect.arrayContaining(['lost', 'misplaced']));
  });

  it('is false, and not merely unknown, when the brokers never came back and nothing could be read', () => {
    const run = rolledBack();
    run.surroundings.notHealed = ['roll-back-brokers: there is no leader'];
    run.surroundings.drained = false;
    run.unreadable.push(['stream', 'timeout'], ['database', 'where the stream ends is not known']);
    run.audit = undefined;
    const verdict = judge(run);
    expect([verdict.valid, namesOf(verdict)]).toEqual([false, ['never_drained', 'not_healed']]);
  });

  it('is judged as usual when nothing was acknowledged in the window', () => {
    const run = rolledBack();
    run.surroundings.lossWindows = [{ fromMs: 5_000, untilMs: 5_001 }];
    const names = namesOf(judge(run));
    expect(names).toContain('misplaced');
  });
});
