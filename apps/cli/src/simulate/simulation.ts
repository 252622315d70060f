/**
 * Sends a workload at a rate, with a bounded number of sends at a time, and waits until the system has settled it.
 *
 *   sending ─all sent─▶ waiting until nothing is in flight ─▶ figures
 *      └──── Ctrl-C, or an event given up ─▶ what is on its way ends ─▶ figures
 */
import type { StatsView } from '#contracts';
import { pause } from '#waiting';
import { InFlight } from '../in-flight.js';
import { type OutgoingEvent, type Producer, type SendOutcome } from '../producer.js';

/** How to send. */
export interface SendingPlan {
  readonly events: Iterable<OutgoingEvent>;
  /** Sends handed over at a time. */
  readonly batch: number;
  /** Batches on their way at a time. */
  readonly concurrency: number;
  /** Sends per second, at most; `undefined` is as fast as possible. */
  readonly rate: number | undefined;
  readonly signal: AbortSignal;
  /** Receives how many sends have been answered. */
  readonly onProgress: (answered: number) => void;
}

/** The outcome of sending. */
export interface SendingResult {
  /** Sends that were begun: fewer than planned after an interruption or when an event was given up. */
  readonly handedOver: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly refused: number;
  readonly missing: number;
  readonly resends: number;
  readonly seconds: number;
  /** One reason, when any send was refused. */
  readonly firstRefusal: string | undefined;
}

const PACE_BATCH_MS = 50;

/** Sends everything, or until the signal, or until an event is given up. */
export async function sendAll(producer: Producer, plan: SendingPlan): Promise<SendingResult> {
  const startedAt = performance.now();
  const total = { accepted: 0, duplicates: 0, refused: 0, missing: 0, resends: 0 };
  let firstRefusal: string | undefined;
  const inFlight = new InFlight(plan.concurrency);
  let handedOver = 0;
  for (const batch of batches(plan.events, batchSize(plan))) {
    await pause(dueMs(handedOver, plan.rate) - (performance.now() - startedAt), plan.signal);
    if (plan.signal.aborted || total.missing > 0) break;
    handedOver += batch.length;
    await inFlight.start(async () => {
      const outcome: SendOutcome = await producer.send(batch);
      total.accepted += outcome.accepted;
      total.duplicates += outcome.duplicates;
      total.refused += outcome.refused.length;
      total.missing += outcome.missing;
      total.resends += outcome.resends;
      firstRefusal ??= outcome.refused[0]?.reason;
      plan.onProgress(total.accepted + total.refused);
    });
  }
  await inFlight.drain();
  return { ...total, handedOver, seconds: (performance.now() - startedAt) / 1_000, firstRefusal };
}

/** The figures once nothing is in flight, or when the wait is over. */
export interface Digestion {
  readonly stats: StatsView;
  /** The time from the call until nothing was in flight any more, or until the last reading. */
  readonly seconds: number;
}

const POLL_EVERY_MS = 100;
const GATEWAY_TOTALS_LAG_MS = 3_000;

/**
 * Waits until nothing is in flight, then a moment longer while `isExplained` is false. Gateways write what they saw
 * dropped several times a second, not at once.
 *
 * @param readStats asks the gateway; its failures are retried until the time is up
 */
export async function digest(
  readStats: () => Promise<StatsView>,
  timeoutMs: number,
  signal: AbortSignal,
  isExplained: (stats: StatsView) => boolean,
): Promise<Digestion> {
  const startedAt = performance.now();
  let settledMs: number | undefined;
  let last: StatsView | undefined;
  for (;;) {
    const elapsedMs = performance.now() - startedAt;
    const mayMiss = elapsedMs < timeoutMs && !signal.aborted;
    // A gateway that is being restarted is asked again. Only at the end does a failure count.
    const stats: StatsView | undefined = mayMiss ? await readStats().catch(() => last) : await readStats();
    last = stats;
    if (stats?.in_flight === 0) settledMs ??= elapsedMs;
    else settledMs = undefined;
    const waitedLong = settledMs !== undefined && elapsedMs - settledMs > GATEWAY_TOTALS_LAG_MS;
    const done = stats && settledMs !== undefined && (isExplained(stats) || waitedLong);
    if (stats && (done || !mayMiss)) return { stats, seconds: (settledMs ?? elapsedMs) / 1_000 };
    await pause(POLL_EVERY_MS, signal);
  }
}

/** At a low rate the batches are smaller, so that the stream of events stays even. */
function batchSize({ batch, rate }: SendingPlan): number {
  if (rate === undefined) return batch;
  return Math.max(1, Math.min(batch, Math.floor((rate * PACE_BATCH_MS) / 1_000)));
}

function dueMs(handedOver: number, rate: number | undefined): number {
  return rate === undefined ? 0 : (handedOver * 1_000) / rate;
}

function* batches(events: Iterable<OutgoingEvent>, size: number): Generator<OutgoingEvent[]> {
  let batch: OutgoingEvent[] = [];
  for (const event of events) {
    batch.push(event);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
