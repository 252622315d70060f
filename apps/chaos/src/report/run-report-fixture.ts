/** A hand-made run for the tests of the reports: 60 s of load with three faults, in seeded words and figures. */
import type { FaultRecord } from '../nemesis/fault.js';
import { timelineOf } from './recovery.js';
import type { RunReport } from './run-report.js';
import type { Sample } from './timeline.js';

const LOAD_MS = 60_000;

/** A fault that took hold at once and was healed at once. */
export function faultRecord(
  name: string,
  startedAtMs: number,
  healedAtMs: number,
  rest: Partial<FaultRecord> = {},
): FaultRecord {
  const [heldAtMs, healingAtMs] = [startedAtMs, healedAtMs];
  return { name, detail: `${name}-1`, startedAtMs, heldAtMs, healingAtMs, healedAtMs, ...rest };
}

/** A sample of which only the given figures matter. */
export function sampleAt(atMs: number, rest: Partial<Sample> = {}): Sample {
  return {
    atMs,
    askedAtMs: atMs,
    sent: 0,
    acknowledged: 0,
    settled: 0,
    lag: 0,
    judgeBytes: 64 * 1_048_576,
    ...rest,
  };
}

/** A whole run; `verdict` replaces parts of the verdict. */
export function runReport(verdict: Partial<RunReport['verdict']> = {}): RunReport {
  return {
    run: {
      seed: 4_711,
      minutes: 1,
      ratePerSecond: 2_000,
      faults: ['kill-worker', 'pause-postgres'],
      sabotage: undefined,
      target: 'own',
      startedAt: '2026-01-02T03:04:05.000Z',
      command: 'npx sekali chaos --seed 4711 --minutes 1',
    },
    verdict: { valid: true, violations: [], unknowns: [], tally: TALLY, ...verdict },
    timeline: timelineOf({
      samples: samples(),
      faults: FAULTS,
      acknowledgements: { longestMs: (from, to) => (from === 30_000 ? 2_300 : Math.min(400, to - from)) },
      loadEndedAtMs: LOAD_MS,
    }),
    judgeBytesMax: 312 * 1_048_576,
  };
}

const TALLY: RunReport['verdict']['tally'] = {
  sent: 120_000,
  operations: 40_000,
  ok: 39_000,
  fail: 600,
  info: 400,
  acknowledged: 90_000,
  unknownStored: 1_234,
  unknownNotStored: 56,
  exposed: 4_200,
  exposedLost: 321,
  stored: 91_234,
  duplicates: 28_000,
  conflicts: 77,
  deadLetters: 321,
  poison: 320,
};

const FAULTS: readonly FaultRecord[] = [
  faultRecord('kill-worker', 10_000, 20_000, { detail: 'worker-1 <b>bold</b> </script>' }),
  faultRecord('pause-postgres', 30_000, 40_000),
  faultRecord('kill-worker', 42_000, 42_000, { problem: 'no worker runs' }),
  faultRecord('cut-gateway-links', 50_000, 61_500),
];

/** Every half second to 70 s: nothing is settled from 10 to 21 s, nothing is known from 30 to 40 s. */
function samples(): Sample[] {
  let settled = 0;
  return Array.from({ length: 141 }, (_, index) => {
    const atMs = index * 500;
    const sent = Math.min(atMs, LOAD_MS) * 2;
    const isDown = (atMs > 10_000 && atMs < 21_000) || (atMs > 30_000 && atMs < 41_000);
    if (!isDown) settled = Math.min(sent, settled + 1_500);
    const isKnown = atMs < 30_000 || atMs > 40_000;
    return sampleAt(atMs, {
      sent,
      acknowledged: sent,
      settled: isKnown ? settled : null,
      lag: isKnown ? sent - settled : null,
    });
  });
}
