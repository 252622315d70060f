import { setMaxListeners } from 'node:events';
import type { Via } from '../history/operation.js';
import type { Generator } from './generator.js';
import type { Lane } from './lanes.js';
import { OperationLog, type History } from './operation-log.js';
import { Pace, rest } from './pace.js';
import type { Producer } from './producer.js';
import type { Random } from './random.js';
import { RetryQueue, type Trial } from './retry-queue.js';

/** What a workload needs. */
export interface WorkloadParts {
  readonly lanes: readonly Lane[];
  readonly generator: Generator;
  readonly history: History;
  readonly random: Random;
  /** Milliseconds since the load began. */
  readonly clock: () => number;
}

/** The parameters of a workload. */
export interface WorkloadOptions {
  /** Messages per second over all producers, repeats and retries included. */
  readonly ratePerSecond: number;
  /** How often a message of unknown outcome is sent again; 8 when left out. */
  readonly retriesMax?: number;
  /** Called with the time of every answer that acknowledges something, and the gateway that gave it, if one did. */
  readonly onAcknowledged?: (atMs: number, gateway?: string) => void;
}

/** When a load ends: at the first of these. */
export interface WorkloadEnd {
  readonly signal: AbortSignal;
  /** Messages sent; the twins of the last operations may exceed it. */
  readonly messagesMax?: number;
}

const RETRIES_MAX = 8;
const REST_MS_MIN = 50;
const REST_MS_MAX = 2_000;
const CROWDED_MS = 100;

/** What a loop sends at once. */
interface Batch {
  readonly trials: readonly Trial[];
  readonly twins: readonly Trial[];
}

/**
 * The workload: concurrent producers that send, get answers, and send again what has no answer. It runs once.
 *
 *   pace ─▶ take retries that are due ─or─ plan something new ─▶ send (and its twin) ─all ok─▶ pace
 *    ▲                                                            │
 *    └── rest a little ◀── what is unknown goes to the retries ◀──┘
 *
 * Nothing is sent that is not in the history. The lanes bound what is in flight, and the retry queue what waits. So a
 * system that refuses makes the producers slower, and not the judge larger. After a stop no new operation begins, and
 * every open one ends, at the latest by its timeout.
 */
export class Workload {
  private readonly log: OperationLog;
  private readonly retries: RetryQueue;
  private readonly ratePerSecond: number;
  /** Messages planned or taken, so that concurrent producers do not exceed `messagesMax` together. */
  private taken = 0;

  constructor(
    private readonly parts: WorkloadParts,
    { ratePerSecond, retriesMax = RETRIES_MAX, onAcknowledged }: WorkloadOptions,
  ) {
    this.ratePerSecond = ratePerSecond;
    this.log = new OperationLog(parts.history, parts.clock, onAcknowledged);
    this.retries = new RetryQueue(parts.random.fork(), retriesMax);
  }

  /** Messages sent so far, repeats and retries included. */
  get sent(): number {
    return this.log.sent;
  }

  /** Messages acknowledged so far. */
  get acknowledged(): number {
    return this.log.acknowledged;
  }

  /** Operations begun so far. */
  get operations(): number {
    return this.log.begun;
  }

  /** Messages that wait to be sent again. After the end they are not sent, and their outcome stays unknown. */
  get waiting(): number {
    return this.retries.length;
  }

  /**
   * Sends until the end, and resolves when the last open operation has ended.
   *
   * @throws when the history cannot be written; no producer is left running then
   */
  async run({ signal, messagesMax = Infinity }: WorkloadEnd): Promise<void> {
    const ending = new AbortController();
    const stop = AbortSignal.any([signal, ending.signal]);
    // Each loop of each lane listens to this signal.
    setMaxListeners(0, stop);
    const workers = this.parts.lanes.flatMap((lane) => {
      const pace = new Pace(this.ratePerSecond * lane.share);
      return Array.from({ length: lane.concurrency }, () => {
        const random = this.parts.random.fork();
        return this.work(lane, pace, random, stop, messagesMax).finally(() => ending.abort());
      });
    });
    const ended = await Promise.allSettled(workers);
    const failed = ended.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** One of a lane's concurrent loops. It ends on the signal, or when enough was taken, which ends the others. */
  private async work(
    lane: Lane,
    pace: Pace,
    random: Random,
    stop: AbortSignal,
    messagesMax: number,
  ): Promise<void> {
    let refusals = 0;
    for (;;) {
      const size = sizeOf(lane, random);
      await pace.turn(size, stop);
      const room = messagesMax - this.taken;
      if (stop.aborted || room <= 0) return;
      const batch = this.next(lane.producer.via, Math.min(size, room));
      pace.charge(batch.trials.length + batch.twins.length - size);
      if (batch.trials.length === 0) {
        await rest(CROWDED_MS, stop);
        continue;
      }
      const isWhole = await this.send(lane.producer, batch, random);
      refusals = isWhole ? 0 : refusals + 1;
      if (!isWhole) await rest(restMs(refusals, random), stop);
    }
  }

  /** What is due to be sent again, otherwise something new, otherwise nothing because too much is already waiting. */
  private next(via: Via, size: number): Batch {
    const nowMs = this.parts.clock();
    const due = this.retries.take(via, size, nowMs);
    if (due.length > 0) return this.take({ trials: due, twins: [] });
    if (this.retries.isCrowded) return { trials: [], twins: [] };
    const { messages, twins } = this.parts.generator.plan(via, size, nowMs);
    return this.take({ trials: messages.map(firstTrial), twins: twins.map(firstTrial) });
  }

  private take(batch: Batch): Batch {
    this.taken += batch.trials.length + batch.twins.length;
    return batch;
  }

  /** @returns whether the system took everything, or refused it for good */
  private async send(producer: Producer, { trials, twins }: Batch, random: Random): Promise<boolean> {
    const runs = [this.try(producer, trials)];
    if (twins.length > 0) {
      const rivals = this.parts.lanes
        .map((lane) => lane.producer)
        .filter(({ via, name }) => name !== producer.name && (twins.length === 1 || via !== 'nats'))
        .filter(({ via }) => twins.length === 1 || via !== 'http');
      const rival = rivals.length > 0 ? random.pick(rivals) : producer;
      runs.push(this.try(rival, twins));
    }
    // This waits for all of them, because after the failure of one the other must not be left running.
    const ended = await Promise.allSettled(runs);
    return ended
      .map((end) => {
        if (end.status === 'rejected') throw end.reason;
        return end.value;
      })
      .every((isWhole) => isWhole);
  }

  private async try(producer: Producer, trials: readonly Trial[]): Promise<boolean> {
    const answer = await this.log.run(
      producer,
      trials.map((trial) => trial.message),
    );
    const nowMs = this.parts.clock();
    let isWhole = true;
    for (const [index, trial] of trials.entries()) {
      const outcome = answer.messages[index]?.[0];
      if (outcome === 'ok' || (outcome === 'fail' && !answer.refusedForNow)) continue;
      isWhole = false;
      this.retries.add(trial, producer.via, nowMs);
    }
    return isWhole;
  }
}

function firstTrial(message: Trial['message']): Trial {
  return { message, retries: 0 };
}

/** From the smallest to the largest, the small ones more often. */
function sizeOf({ size: [min, max] }: Lane, random: Random): number {
  return min + Math.floor((max - min + 1) * random.next() ** 2);
}

/** Longer after each refusal in a row, and never the same for two. */
function restMs(refusals: number, random: Random): number {
  return random.between(REST_MS_MIN, Math.min(REST_MS_MAX, REST_MS_MIN * 2 ** refusals));
}
