import { describe, expect, it } from '@jest/globals';
import { RangeTally } from './range-tally.js';
import { type AuditFindings, judge, type LedgerFindings } from './verdict.js';

const ledger: LedgerFindings = {
  totals: { stored: 8, duplicates: 1, conflicts: 0, deadLetters: 1 },
  counters: [],
  rows: new Map(),
};

function tally(...sequences: number[]): RangeTally {
  const made = new RangeTally();
  for (const seq of sequences) made.add(seq, seq);
  return made;
}

function findings(
  sequences: Partial<AuditFindings['sequences']> = {},
  changes: Partial<AuditFindings> = {},
): AuditFindings {
  return {
    sequences: {
      settled: 10,
      inFlight: tally(),
      skipped: tally(),
      lost: tally(),
      doubled: tally(),
      beyond: tally(),
      ...sequences,
    },
    foreign: tally(),
    repeatedKeys: { count: 0, first: undefined },
    histogram: [],
    ahead: 0,
    ledger,
    dropped: { rows: 0, bytes: 0, faults: [], faultsOmitted: 0 },
    droppedRows: [],
    forgottenIds: [],
    promises: { marks: 3, broken: tally(), uncompared: 0 },
    unsettled: 0,
    inFlightThen: 0,
    waitedInVain: false,
    past: [],
    ...changes,
  };
}

const figures = { stored: 8, duplicates: 1, conflicts: 0, deadLetters: 1 };
const counters = [{ topic: 'a', counted: { ...figures, stored: 9 }, rows: figures }];

describe('the verdict of the audit', () => {
  it('is whole when there is no fault', () => {
    expect(judge(findings())).toEqual({ verdict: 'whole', violations: [], doubts: [] });
  });

  it('is whole when the rest is in flight and the consumer knows of it', () => {
    const judgement = judge(findings({ inFlight: tally(9, 10) }, { unsettled: 2, inFlightThen: 2 }));
    expect(judgement.verdict).toBe('whole');
  });

  it.each(['skipped', 'lost', 'doubled', 'beyond'] as const)('is violated by one %s sequence', (kind) => {
    const judgement = judge(findings({ [kind]: tally(7) }));
    expect(judgement.verdict).toBe('violated');
    expect(judgement.violations).toHaveLength(1);
  });

  it('is violated where other events lack their payload than retention has noted', () => {
    const faults = [{ topic: 'a', day: '2026-11-22', noted: 5, missing: 6 }];
    const { violations } = judge(findings({}, { dropped: { rows: 5, bytes: 10, faults, faultsOmitted: 2 } }));
    expect(violations).toEqual([
      '3 days of a topic that lack other events than retention has noted, the first a on 2026-11-22: 6 are missing and 5 are noted',
    ]);
  });

  it('is violated where another number of sequences is marked as forgotten than ids', () => {
    const forgottenIds = [
      { streamId: 1, ids: 5, marked: 5 },
      { streamId: 2, ids: 5, marked: 4 },
    ];
    expect(judge(findings({}, { forgottenIds })).violations).toEqual([
      'of stream number 2, 5 ids were forgotten by count, but 4 by sequence',
    ]);
  });

  it('is violated by a broken promise, and unknown while the event may be on its way again', () => {
    const promises = { marks: 3, broken: tally(10), uncompared: 0 };
    expect(judge(findings({}, { promises })).violations).toEqual([
      '1 sequence acknowledged to a producer, but not in the stream',
    ]);
    const inFlight = { inFlight: tally(9) };
    const judgement = judge(findings(inFlight, { promises, unsettled: 1, inFlightThen: 1 }));
    expect(judgement).toMatchObject({ verdict: 'unknown', violations: [] });
  });

  it('is violated twice by one missing and one doubled', () => {
    expect(judge(findings({ skipped: tally(7), doubled: tally(4) })).violations).toHaveLength(2);
  });

  it('is violated by a counter that is off, and by rows that contradict each other', () => {
    const rows = new Map([['event_without_key' as const, tally(3)]]);
    expect(judge(findings({}, { ledger: { ...ledger, counters } }))).toMatchObject({
      verdict: 'violated',
      violations: ['the counters of topic a do not equal its rows'],
    });
    expect(judge(findings({}, { ledger: { ...ledger, rows } }))).toMatchObject({
      verdict: 'violated',
      violations: ['1 event without a key'],
    });
  });

  it('is violated by what is wrong in an earlier stream', () => {
    const past = {
      ...ledger,
      streamId: 1,
      name: 'EVENTS',
      identity: 'then',
      lostBehind: undefined,
      doubled: tally(2),
    };
    expect(judge(findings({}, { past: [past] })).violations).toEqual([
      '1 sequence in more than one table (stream EVENTS, known as then)',
    ]);
    expect(judge(findings({}, { past: [{ ...past, name: undefined, doubled: tally() }] })).verdict).toBe(
      'violated',
    );
  });

  it('is unknown when there is no consumer to settle what is in flight', () => {
    expect(judge(findings({ inFlight: tally(9) }, { unsettled: undefined })).verdict).toBe('unknown');
    expect(judge(findings({}, { unsettled: undefined })).verdict).toBe('whole');
  });

  it('is unknown when more seems in flight than the consumer knows of', () => {
    const judgement = judge(findings({ inFlight: tally(8, 9, 10) }, { unsettled: 1, inFlightThen: 3 }));
    expect(judgement.verdict).toBe('unknown');
    expect(judgement.doubts[0]).toContain('2 were acknowledged without being stored');
  });

  it('is unknown when the wait ended too early, but a violation stays a violation', () => {
    const inFlight = { inFlight: tally(9), lost: tally(3) };
    const waited = { unsettled: 1, inFlightThen: 1, waitedInVain: true };
    expect(judge(findings({ inFlight: tally(9) }, waited)).verdict).toBe('unknown');
    expect(judge(findings(inFlight, waited)).verdict).toBe('violated');
  });
});
