/**
 * One round of a drain: a consumer that begins at the first message, one process that drains it, and its rate.
 *
 *   prepare tables ─▶ create consumer ─▶ watch ‖ start program ─▶ settled ─▶ stop program ─▶ check what it stored
 *
 * The program is a fresh process in every round, as after a deployment. The consumer is created as setup creates it. It
 * is deleted at the end of the round, even when the round fails.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { ensureConsumer, forgetConsumer, StreamReader } from '#broker';
import { readWorkerSettings } from '#config';
import type { BrokerNode } from '#local-cluster';
import type { Measured, Role } from '../measurement.js';
import type { Backlog } from '../environment/backlog.js';
import { ConsumerProgress } from '../environment/consumer-progress.js';
import type { Program } from '../environment/program.js';
import type { ProgramVariables, Environment } from '../environment/environment.js';
import { type Sample, steadyProcessorUs, steadyRate } from '../environment/steady-rate.js';

/** A program that drains, and how its work is checked. */
export interface DrainSubject {
  readonly role: Role;
  /** The name for the table, such as "baseline loop". */
  readonly subject: string;
  /** A path from `dist/apps`. */
  readonly script: string;
  readonly variables: ProgramVariables;
  /**
   * Says which broker its client gets in the next round, as the distance from the one that leads the consumer.
   *
   * The rate of a drain depends on the broker, and a client that knows all brokers takes any of them. When this is left
   * out, the client knows all.
   */
  readonly brokersFromLeader?: () => number;
  /** The program is stopped when it has settled this many messages. */
  readonly messages: number;
  /** The backlog that it drains; that of the fixture when left out. */
  readonly backlog?: Backlog;
  /** Empties the tables. */
  readonly prepare: () => Promise<void>;
  /** Throws when what the program stored is wrong. */
  readonly check: () => Promise<void>;
}

/** What the rounds of one drain share. */
export interface DrainFixture {
  readonly environment: Environment;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly backlog: Backlog;
  /** Receives what is settled while a round is running. */
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Drains once. @returns messages per second in the steady part, and the cost of one message */
export async function drainOnce(shared: DrainFixture, drainer: DrainSubject): Promise<Measured> {
  const fixture = { ...shared, backlog: drainer.backlog ?? shared.backlog };
  const { connection, backlog } = fixture;
  await drainer.prepare();
  // Without this, a round would pay for the pages that the round before it left unwritten.
  await fixture.pool.query('CHECKPOINT');
  const consumer = `drain-${drainer.role}`;
  const { SEKALI_ACK_WAIT_MS: ackWaitMs, SEKALI_ACK_PENDING_MAX: ackPendingMax } = readWorkerSettings({});
  const definition = { name: consumer, stream: backlog.stream, ackWaitMs, ackPendingMax };
  await ensureConsumer(connection, definition, () => Promise.resolve(1));
  try {
    const { brokersFromLeader: distance } = drainer;
    const place = distance && (await placeOf(fixture, consumer, distance()));
    const samples = await runUntilSettled(fixture, drainer, consumer, place);
    await drainer.check();
    return {
      value: steadyRate(samples, drainer.messages),
      processorUs: steadyProcessorUs(samples, drainer.messages),
    };
  } finally {
    await forgetConsumer(connection, definition);
  }
}

/** The settings of a client that knows one broker alone: the one at this distance from the consumer's leader. */
async function placeOf(
  { environment: { brokers }, connection, backlog }: DrainFixture,
  consumer: string,
  distance: number,
): Promise<ProgramVariables> {
  const reader = await StreamReader.of(connection);
  const leader = (await reader.consumer({ stream: backlog.stream, name: consumer }))?.cluster?.leader;
  const leading = brokers.findIndex(({ name }) => name === leader);
  if (leading < 0) throw new Error(`no broker is called ${leader}, which leads the consumer`);
  const { url } = brokers[(leading + distance) % brokers.length] as BrokerNode;
  return { SEKALI_NATS_URLS: url };
}

/**
 * Runs the program until it has settled its messages. The program has ended when this returns or throws.
 *
 * Watching begins before the program is ready, because a small backlog may be drained by then.
 */
async function runUntilSettled(
  { environment, connection, backlog, onProgress, signal }: DrainFixture,
  drainer: DrainSubject,
  consumer: string,
  place: ProgramVariables | undefined,
): Promise<Sample[]> {
  const progress = await ConsumerProgress.of(connection, { ...backlog, consumer });
  const failed = new AbortController();
  let program: Program | undefined;
  const starting = environment.startProgram(consumer, drainer.script, [], {
    SEKALI_STREAM: backlog.stream,
    SEKALI_SUBJECT_PREFIX: backlog.subjectPrefix,
    SEKALI_CONSUMER: consumer,
    ...drainer.variables,
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
      processorMs: () => environment.processorMs(program),
      signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]),
    });
  } finally {
    const started = await starting.catch(() => undefined);
    await started?.stop();
  }
}
