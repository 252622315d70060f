/**
 * How far a durable consumer is, as the brokers see it: what was delivered and acknowledged, whoever did it.
 *
 * All subjects are watched in the same way and from outside, so none has to count itself. The time of a sample is the
 * broker's own, taken with the figures: an answer that is late because the machine is busy does no harm.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { StreamReader } from '#broker';
import { pause } from '#waiting';
import type { ProcessorMs } from './processor-time.js';
import type { Sample } from './steady-rate.js';

const POLL_MS = 75;
const STALLED_MS_MAX = 60_000;

/** Where the durable consumer is, and what there is for it. */
export interface WatchedConsumer {
  readonly stream: string;
  readonly consumer: string;
  /** Messages of the stream. */
  readonly messages: number;
}

/** How to watch. */
export interface WatchOptions {
  /** Called before each look; throws when there is nothing to wait for any more. */
  readonly requireAlive: () => void;
  readonly onSample?: (sample: Sample) => void;
  /** What was used of the processor so far; part of each sample. */
  readonly processorMs?: () => ProcessorMs | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Watches one durable consumer. */
export class ConsumerProgress {
  private constructor(
    private readonly reader: StreamReader,
    private readonly watched: WatchedConsumer,
  ) {}

  /** Prepares to watch. */
  static async of(connection: NatsConnection, watched: WatchedConsumer): Promise<ConsumerProgress> {
    return new ConsumerProgress(await StreamReader.of(connection), watched);
  }

  /**
   * Looks until `target` messages are settled.
   *
   * @returns the samples, the first of them with nothing settled if it was called before the consumer was at work
   * @throws what `requireAlive` throws, and when nothing is settled for a minute
   */
  async until(
    target: number,
    { requireAlive, onSample, processorMs, signal }: WatchOptions,
  ): Promise<Sample[]> {
    const samples: Sample[] = [];
    let changedMs = performance.now();
    for (;;) {
      signal?.throwIfAborted();
      requireAlive();
      const sample = { ...(await this.look()), processorMs: processorMs?.() };
      if (sample.settled !== samples.at(-1)?.settled) changedMs = performance.now();
      samples.push(sample);
      onSample?.(sample);
      if (sample.settled >= target) return samples;
      if (performance.now() - changedMs > STALLED_MS_MAX) {
        throw new Error(
          `${this.watched.consumer} has settled ${sample.settled} of ${target} and stands still`,
        );
      }
      await pause(POLL_MS);
    }
  }

  private async look(): Promise<Sample> {
    const { stream, consumer, messages } = this.watched;
    const info = await this.reader.consumer({ stream, name: consumer });
    if (info === undefined) throw new Error(`the consumer ${consumer} is gone`);
    return {
      atMs: info.ts === undefined ? Date.now() : Date.parse(info.ts),
      settled: messages - info.num_pending - info.num_ack_pending,
    };
  }
}
