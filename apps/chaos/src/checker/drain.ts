/**
 * Waits until the system has settled everything: no consumer has a message left, and nothing has moved for a while.
 *
 * It does not check whether what was acknowledged is also stored. A system that acknowledges too early drains, too.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type pg from 'pg';
import { readingPool } from '../system/sql-door.js';
import { errorLine } from './patience.js';

/** What to watch. */
export interface DrainScope {
  readonly brokers: NatsConnection;
  readonly stream: string;
  /** Durable consumers that must have nothing left. */
  readonly consumers: readonly string[];
  readonly postgresUrl: string;
}

/** How long to wait. */
export interface DrainBounds {
  readonly timeoutMs: number;
  /** How long nothing may move; 2 s when left out. */
  readonly quietMs?: number;
}

/** The result of waiting. */
export interface DrainResult {
  readonly drained: boolean;
  /** `Date.now()` of the first probe after which nothing moved any more; null when there was none. */
  readonly at: number | null;
  /** The last state, in one line. */
  readonly seen: string;
}

const INTERVAL_MS = 250;
const QUIET_MS = 2_000;
const ANSWER_MS_MAX = 5_000;

// As long as redeliveries are counted, a worker is still busy.
const MOVEMENT = `
SELECT coalesce(sum(stored + duplicates + dead_letters), 0)::float8 AS settled,
  coalesce(sum(redelivered), 0)::float8 AS redelivered
FROM sekali.counter JOIN sekali.stream USING (stream_id) WHERE name = $1`;

/** Waits for the drain. Never throws: what cannot be read yet is read again until the time is up. */
export async function untilDrained(scope: DrainScope, bounds: DrainBounds): Promise<DrainResult> {
  const pool = readingPool(scope.postgresUrl, ANSWER_MS_MAX);
  try {
    return await watch(scope, bounds, pool);
  } finally {
    await pool.end().catch(() => undefined);
  }
}

async function watch(scope: DrainScope, bounds: DrainBounds, pool: pg.Pool): Promise<DrainResult> {
  const { timeoutMs, quietMs = QUIET_MS } = bounds;
  const deadline = Date.now() + timeoutMs;
  let quiet: { readonly since: number; readonly state: string } | undefined;
  for (;;) {
    const { unsettled, state } = await inspect(scope, pool).catch((error: unknown) => ({
      unsettled: NaN,
      state: errorLine(error),
    }));
    const now = Date.now();
    if (unsettled !== 0) quiet = undefined;
    else if (quiet?.state !== state) quiet = { since: now, state };
    if (quiet !== undefined && now - quiet.since >= quietMs) {
      return { drained: true, at: quiet.since, seen: state };
    }
    if (now >= deadline) return { drained: false, at: null, seen: state };
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}

async function inspect(
  { brokers, stream, consumers }: DrainScope,
  pool: pg.Pool,
): Promise<{ unsettled: number; state: string }> {
  const manager = await jetstreamManager(brokers, { checkAPI: false });
  const [{ state }, infos, { rows }] = await Promise.all([
    manager.streams.info(stream),
    Promise.all(consumers.map((consumer) => manager.consumers.info(stream, consumer))),
    pool.query<{ settled: number; redelivered: number }>(MOVEMENT, [stream]),
  ]);
  const left = infos.map(({ name, num_pending, num_ack_pending }) => ({
    unsettled: num_pending + num_ack_pending,
    text: `${name} has ${num_pending} to deliver and ${num_ack_pending} to acknowledge`,
  }));
  const { settled, redelivered } = rows[0] ?? { settled: 0, redelivered: 0 };
  const counted = `last sequence ${state.last_seq}, ${settled} settled, ${redelivered} redelivered`;
  return {
    unsettled: left.reduce((sum, consumer) => sum + consumer.unsettled, 0),
    state: [...left.map((consumer) => consumer.text), counted].join('; '),
  };
}
