/**
 * One round of a drain: a consumer that begins at the first message, one process that drains it, and its rate.
 *
 *   prepare tables ─▶ make consumer ─▶ watch ‖ start program ─▶ settled ─▶ stop program ─▶ check what it stored
 *
 * The program is a fresh process in every round, as after a deployment. The consumer is made as setup makes it, and is
 * gone when the round is over, however it ends.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { ensureConsumer, forgetConsumer, StreamReader } from '#broker';
import { readWorkerSettings } from '#config';
import type { BrokerNode } from '#local-cluster';
import type { Measured, Role } from '../measurement.js';
import type { Backlog } from '../stage/backlog.js';
import { ConsumerProgress } from '../stage/consumer-progress.js';
import type { Program } from '../stage/program.js';
import type { ProgramEnvironment, Stage } from '../stage/stage.js';
import { type Sample, steadyProcessorUs, steadyRate } from '../stage/steady-rate.js';

/** Who drains. */
export interface DrainSubject {
  readonly role: Role;
  /** For the table: "bare loop". */
  readonly subject: string;
  /** From `dist/apps`. */
  readonly script: string;
  readonly environment: ProgramEnvironment;
  /**
   * Which broker its client is given: how many behind the one that leads the consumer, asked anew in every round. A client
   * that knows all takes any of them, and the rate of a drain depends on which. Left out: it knows all.
   */
  readonly brokersFromLeader?: () => number;
  /** It is stopped when so many are settled. */
  readonly messages: number;
  /** Empties the tables. */
  readonly prepare: () => Promise<void>;
  /** Throws when what it stored is wrong. */
  readonly check: () => Promise<void>;
}

/** Where a round takes place. */
export interface DrainGround {
  readonly stage: Stage;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly backlog: Backlog;
  /** Told what is settled while a round is on. */
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Drains once. @returns messages a second in the steady part, and what one cost */
export async function drainOnce(ground: DrainGround, drainer: DrainSubject): Promise<Measured> {
  const { connection, backlog } = ground;
  await drainer.prepare();
  // So that no round pays for what the one before left to be written.
  await ground.pool.query('CHECKPOINT');
  const consumer = `drain-${drainer.role}`;
  const { SEKALI_ACK_WAIT_MS: ackWaitMs, SEKALI_ACK_PENDING_MAX: ackPendingMax } = readWorkerSettings({});
  const definition = { name: consumer, stream: backlog.stream, ackWaitMs, ackPendingMax };
  await ensureConsumer(connection, definition, () => Promise.resolve(1));
  try {
    const { brokersFromLeader: distance } = drainer;
    const place = distance && (await placeOf(ground, consumer, distance()));
    const samples = await runUntilSettled(ground, drainer, consumer, place);
    await drainer.check();
    return {
      value: steadyRate(samples, drainer.messages),
      processorUs: steadyProcessorUs(samples, drainer.messages),
    };
  } finally {
    await forgetConsumer(connection, definition);
  }
}

/** The settings of a client that knows one broker alone, so many behind the one that leads the consumer. */
async function placeOf(
  { stage: { brokers }, connection, backlog }: DrainGround,
  consumer: string,
  distance: number,
): Promise<ProgramEnvironment> {
  const reader = await StreamReader.of(connection);
  const leader = (await reader.consumer({ stream: backlog.stream, name: consumer }))?.cluster?.leader;
  const leading = brokers.findIndex(({ name }) => name === leader);
  if (leading < 0) throw new Error(`no broker is called ${leader}, which leads the consumer`);
  const { url } = brokers[(leading + distance) % brokers.length] as BrokerNode;
  return { SEKALI_NATS_URLS: url };
}

/** Watched from before it is ready: a small backlog is drained by then. The program is gone when this ends. */
async function runUntilSettled(
  { stage, connection, backlog, onProgress, signal }: DrainGround,
  drainer: DrainSubject,
  consumer: string,
  place: ProgramEnvironment | undefined,
): Promise<Sample[]> {
  const progress = await ConsumerProgress.of(connection, { ...backlog, consumer });
  const failed = new AbortController();
  let program: Program | undefined;
  const starting = stage.startProgram(consumer, drainer.script, [], {
    SEKALI_STREAM: backlog.stream,
    SEKALI_SUBJECT_PREFIX: backlog.subjectPrefix,
    SEKALI_CONSUMER: consumer,
    ...drainer.environment,
    ...place,
  });
  starting.then(
    (started) => {
      program = started;
    },
    (error: unknown) => {
      failed.abort(error);
    },
  );
  try {
    return await progress.until(drainer.messages, {
      requireAlive: () => program?.requireRunning(),
      onSample: ({ settled }) => onProgress(`${drainer.subject}: ${settled} of ${drainer.messages}`),
      processorMs: () => stage.processorMs(program),
      signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]),
    });
  } finally {
    const started = await starting.catch(() => undefined);
    await started?.stop();
  }
}
