/**
 * How the system recovered after each fault, from the samples over time.
 *
 *   started ── held ── healing ── healed ────────── + 30 s, or the next fault, or the end of the load
 *      └───────── refused: longest silence inside ────────┘
 *                                    └─ resumed ─▶ first settled message after it
 *
 * Overlapping faults cannot be distinguished from outside, so each is charged with the silence of their common time.
 */
import type { FaultRecord } from '../nemesis/fault.js';
import type { AcknowledgementGaps } from './acknowledgement-gaps.js';
import type { Recovery, Sample, Timeline } from './timeline.js';

/** How long after its healing a silence still counts as the fault's. */
const AFTERMATH_MS = 30_000;
/** A figure older than this, which is two samples, says nothing about the moment of the healing. */
const BASELINE_AGE_MS_MAX = 1_000;

/** What was recorded during a run. */
export interface Observations {
  readonly samples: readonly Sample[];
  readonly faults: readonly FaultRecord[];
  readonly acknowledgements: Pick<AcknowledgementGaps, 'longestMs'>;
  readonly loadEndedAtMs: number;
}

/** The faults of one kind together. */
export interface FaultKind {
  readonly name: string;
  /** How often it took hold. */
  readonly times: number;
  /** How often it could not be applied. */
  readonly notApplied: number;
  /** How often it took hold and nothing was seen settled afterwards. */
  readonly notResumed: number;
  readonly longestRefusedMs: number;
  /** Null when it never resumed, or never took hold. */
  readonly longestResumedMs: number | null;
}

/** The worst of all recoveries. */
export interface RecoveryMaxima {
  readonly longestRefusedMs: number;
  readonly longestResumedMs: number | null;
  readonly notResumed: number;
  /** From the end of the load until all was settled; null when that never happened. */
  readonly drainMs: number | null;
}

/** Whether a fault took hold at all. One that was not applied held for no time and has a problem. */
export function tookHold(fault: FaultRecord): boolean {
  return fault.problem === undefined || fault.healingAtMs > fault.heldAtMs;
}

/** The whole run over time. */
export function timelineOf(seen: Observations): Timeline {
  return {
    samples: seen.samples,
    recoveries: recoveriesOf(seen),
    loadEndedAtMs: seen.loadEndedAtMs,
    drainedAtMs: drainedAt(seen.samples, seen.loadEndedAtMs),
  };
}

/** A recovery for each fault, in the order in which the faults started. */
export function recoveriesOf({ faults, ...seen }: Observations): Recovery[] {
  const inOrder = [...faults].sort((a, b) => a.startedAtMs - b.startedAtMs);
  const held = inOrder.filter(tookHold);
  return inOrder.map((fault) => {
    const next = held.find((other) => other !== fault && other.startedAtMs >= fault.healedAtMs);
    const end = Math.min(
      fault.healedAtMs + AFTERMATH_MS,
      next?.startedAtMs ?? Infinity,
      seen.loadEndedAtMs, // Nothing is sent after that, so silence is not a refusal.
    );
    if (!tookHold(fault)) return { fault, refusedMs: 0, resumedMs: null };
    return {
      fault,
      refusedMs: seen.acknowledgements.longestMs(fault.startedAtMs, end),
      resumedMs: resumedAfter(fault.healedAtMs, seen),
    };
  });
}

/** When everything was settled for good: the first sample after the load from which on nothing lags. */
export function drainedAt(samples: readonly Sample[], loadEndedAtMs: number): number | null {
  const after = samples.filter(({ atMs }) => atMs >= loadEndedAtMs);
  const lastLagging = after.findLastIndex(({ lag }) => lag !== null && lag > 0);
  return after.slice(lastLagging + 1).find(({ lag }) => lag === 0)?.atMs ?? null;
}

/** The faults by kind, by name. */
export function faultKindsOf(recoveries: readonly Recovery[]): FaultKind[] {
  const names = [...new Set(recoveries.map(({ fault }) => fault.name))].sort();
  return names.map((name) => {
    const all = recoveries.filter(({ fault }) => fault.name === name);
    const held = all.filter(({ fault }) => tookHold(fault));
    return { name, times: held.length, notApplied: all.length - held.length, ...worstOf(held) };
  });
}

/** The worst values in the whole run. */
export function recoveryMaximaOf({ recoveries, loadEndedAtMs, drainedAtMs }: Timeline): RecoveryMaxima {
  const drainMs = drainedAtMs === null ? null : drainedAtMs - loadEndedAtMs;
  return { ...worstOf(recoveries.filter(({ fault }) => tookHold(fault))), drainMs };
}

function worstOf(held: readonly Recovery[]): Omit<RecoveryMaxima, 'drainMs'> {
  const resumed = held.flatMap(({ resumedMs }) => resumedMs ?? []);
  return {
    notResumed: held.length - resumed.length,
    longestRefusedMs: Math.max(0, ...held.map(({ refusedMs }) => refusedMs)),
    longestResumedMs: resumed.length === 0 ? null : Math.max(...resumed),
  };
}

/**
 * The time until more is settled than at the healing. If Postgres could not be read then, the first figure after it
 * takes its place, unless it shows that everything is already settled. Once the load has ended and nothing lags, there
 * is nothing to resume.
 */
function resumedAfter(
  healedAtMs: number,
  { samples, loadEndedAtMs }: Pick<Observations, 'samples' | 'loadEndedAtMs'>,
): number | null {
  const before = samples.findLast(({ atMs, settled }) => atMs <= healedAtMs && settled !== null);
  const isRecent = before !== undefined && healedAtMs - before.atMs <= BASELINE_AGE_MS_MAX;
  let baseline = isRecent ? before.settled : null;
  for (const { atMs, settled, lag } of samples) {
    if (atMs <= healedAtMs || settled === null) continue;
    const isMore = baseline === null ? lag === 0 && settled > (before?.settled ?? 0) : settled > baseline;
    if (isMore || (lag === 0 && atMs >= loadEndedAtMs)) return atMs - healedAtMs;
    baseline ??= settled;
  }
  return null;
}
