import { describe, expect, it } from '@jest/globals';
import { JsonProgress, progressFor, type LineSink, type RunState } from './progress.js';
import { faultRecord } from './run-report-fixture.js';

const STATE: RunState = {
  phase: 'load',
  elapsedMs: 65_000,
  totalMs: 1_800_000,
  sent: 130_000,
  acknowledged: 129_500,
  settled: null,
  lag: 1_200,
  activeFaults: ['kill-worker', 'pause-postgres'],
};

interface Screen extends LineSink {
  readonly written: string[];
  nowMs: number;
}

function screen(columns?: number): Screen {
  const written: string[] = [];
  return { written, nowMs: 0, write: (text) => written.push(text), isTTY: columns !== undefined, columns };
}

describe('the progress of a chaos run in a file', () => {
  it('is a line every ten seconds', () => {
    const sink = screen();
    const progress = progressFor(sink, () => sink.nowMs);
    for (; sink.nowMs <= 20_000; sink.nowMs += 500) progress.update(STATE);
    expect(sink.written).toHaveLength(3);
    expect(sink.written[0]).toBe(
      'load 01:05/30:00 · sent 130,000 · acknowledged 129,500 · settled ? · lag 1,200 · ' +
        'faults: kill-worker, pause-postgres\n',
    );
  });

  it('is a line at once when a phase begins', () => {
    const sink = screen();
    const progress = progressFor(sink, () => sink.nowMs);
    progress.update(STATE);
    progress.update({
      ...STATE,
      phase: 'drain',
      activeFaults: [],
      settled: 129_000,
    });
    expect(sink.written[1]).toContain('drain 01:05/30:00 · sent 130,000');
    expect(sink.written[1]).toContain('settled 129,000');
    expect(sink.written[1]).not.toContain('faults');
  });

  it('is a line for every fault', () => {
    const sink = screen();
    const progress = progressFor(sink, () => sink.nowMs);
    progress.faultStarted(faultRecord('kill-worker', 61_000, 0));
    progress.faultEnded(faultRecord('kill-worker', 61_000, 66_500));
    progress.faultEnded(faultRecord('stop-broker', 70_000, 70_000, { problem: 'there is no leader' }));
    expect(sink.written).toEqual([
      '01:01  kill-worker  kill-worker-1\n',
      '01:06  kill-worker  healed after 5.5 s\n',
      '01:10  stop-broker  problem: there is no leader after 0.0 s\n',
    ]);
  });
});

describe('the progress of a chaos run on a terminal', () => {
  it('is one line, redrawn, and never wider than the terminal', () => {
    const sink = screen(40);
    const progress = progressFor(sink, () => sink.nowMs);
    for (; sink.nowMs < 1_000; sink.nowMs += 50) progress.update(STATE);
    expect(sink.written).toHaveLength(5);
    expect(sink.written[4]).toBe('\r\u001b[2Kload 01:05/30:00 · sent 130,000 · ackno');
  });

  it('leaves a line for a fault above it, and nothing of itself at the end', () => {
    const sink = screen(200);
    const progress = progressFor(sink, () => sink.nowMs);
    progress.update(STATE);
    progress.faultStarted(faultRecord('kill-worker', 61_000, 0));
    progress.stop();
    progress.note('done');
    expect(sink.written[1]).toMatch(/^\r.\[2K01:01 {2}kill-worker {2}kill-worker-1\nload 01:05/);
    expect(sink.written.slice(2)).toEqual(['\r\u001b[2K', '\r\u001b[2Kdone\n']);
  });
});

describe('the progress of a chaos run for machines', () => {
  it('is one JSON document per line', () => {
    const sink = screen();
    const progress = new JsonProgress(sink, () => sink.nowMs);
    const fault = faultRecord('kill-worker', 1, 2);
    progress.update(STATE);
    progress.update(STATE);
    progress.faultStarted(fault);
    progress.faultEnded(fault);
    progress.note('a\nb');
    progress.event('verdict', { valid: true });
    expect(sink.written.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
    expect(sink.written.map((line) => JSON.parse(line) as unknown)).toEqual([
      { event: 'state', ...STATE },
      { event: 'fault', name: 'kill-worker', detail: 'kill-worker-1', startedAtMs: 1 },
      { event: 'fault-ended', ...fault },
      { event: 'note', text: 'a\nb' },
      { event: 'verdict', valid: true },
    ]);
  });
});
