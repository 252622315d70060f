import { describe, expect, it } from '@jest/globals';
import { runReport } from './run-report-fixture.js';
import { summaryText } from './summary.js';
import { verdictFile } from './verdict-file.js';

const plain = (...verdict: Parameters<typeof runReport>): string =>
  summaryText(runReport(...verdict), { colours: false });

const VIOLATED = {
  valid: false,
  violations: [{ name: 'lost', count: 2_345, examples: ['topic a, id 1', 'topic \u001b[31mb\n, id 2'] }],
} as const;

describe('the summary of a run', () => {
  it.each([
    [{ valid: true } as const, /^VALID {2}Every promise held/],
    [VIOLATED, /^VIOLATED {2}A promise was broken/],
    [
      { valid: 'unknown', unknowns: ['stream unreadable'] } as const,
      /^UNKNOWN {2}.*\n {2}unknown: stream unr/,
    ],
  ])('begins with the verdict', (verdict, beginning) => {
    expect(plain(verdict)).toMatch(beginning);
  });

  it('separates the thousands of counts', () => {
    expect(plain()).toMatch(/messages sent, repeats included +│ +120,000 │/);
  });

  it('says that events of unknown outcome may have gone either way, and how many did', () => {
    expect(plain()).toContain('1,290 events were of unknown outcome, and may have gone either way');
    expect(plain()).toContain('1,234 were stored, 56 were not.');
  });

  it('names violations with their meaning and examples, and how many more there are', () => {
    const text = plain(VIOLATED);
    expect(text).toContain('lost, 2,345 times: acknowledged, and not stored');
    expect(text).toContain('  topic a, id 1\n');
    expect(text).toContain('… and 2,343 more');
  });

  it('lets no example control the terminal', () => {
    expect(plain(VIOLATED)).toContain('  topic \\u001b[31mb\\n, id 2');
  });

  it('lists the faults by kind', () => {
    const text = plain();
    expect(text).toMatch(/kill-worker +│ +1 │ +0\.4 s │ +1\.0 s │ +0 │ +1 │/);
    expect(text).toMatch(/pause-postgres +│ +1 │ +2\.3 s/);
    expect(text).toContain('kill-worker: no worker runs');
  });

  it('says how to repeat the run', () => {
    expect(plain()).toContain('Seed 4711: 1 min at 2,000/s');
    expect(plain()).toContain('Again: npx sekali chaos --seed 4711 --minutes 1');
  });

  it('says so when a run had no faults and no unknown outcomes', () => {
    const report = runReport();
    const tally = { ...report.verdict.tally, unknownStored: 0, unknownNotStored: 0 };
    const text = summaryText(
      {
        ...report,
        verdict: { ...report.verdict, tally },
        timeline: { ...report.timeline, recoveries: [], drainedAtMs: null },
      },
      { colours: false },
    );
    expect(text).toContain('No faults.');
    expect(text).toContain('No event was of unknown outcome.');
    expect(text).toMatch(/time to drain +│ +never drained/);
  });

  it('is coloured only on request', () => {
    const report = runReport(VIOLATED);
    expect(summaryText(report, { colours: false })).not.toContain('\u001b');
    expect(summaryText(report, { colours: true })).toContain('\u001b[31m');
  });
});

describe('the verdict file', () => {
  it('has the content of the summary', () => {
    const report = runReport(VIOLATED);
    expect(JSON.parse(JSON.stringify(verdictFile(report)))).toMatchObject({
      valid: false,
      unknowns: [],
      violations: VIOLATED.violations,
      tally: report.verdict.tally,
      run: { seed: 4_711, command: 'npx sekali chaos --seed 4711 --minutes 1' },
      recovery: { longestRefusedMs: 2_300, notResumed: 0 },
      faultKinds: [{ name: 'cut-gateway-links' }, { name: 'kill-worker', notApplied: 1 }, {}],
      loadEndedAtMs: 60_000,
      judgeBytesMax: 312 * 1_048_576,
    });
  });
});
