/**
 * How far a durable consumer is, as the brokers see it: what was delivered and acknowledged.
 *
 * All subjects are watched in the same way and from outside, so none of them has to count. The time of a sample is the
 * broker's own and belongs to the figures, so a busy machine that delays the answer does no harm.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { StreamReader } from '#broker';
import { pause } from '#waiting';
import type { ProcessorMs } from './processor-time.js';
import type { Sample } from './steady-rate.js';

const POLL_MS = 75;
const STALLED_MS_MAX = 60_000;

/** The durable consumer, and the number of messages for it. */
export interface WatchedConsumer {
  readonly stream: string;
  readonly consumer: string;
  /** Messages of the stream. */
  readonly messages: number;
}

/** How to watch. */
export interface WatchOptions {
  /** Called before each sample; throws when there is nothing left to wait for. */
  readonly requireAlive: () => void;
  readonly onSample?: (sample: Sample) => void;
  /** The processor time used up to now; part of each sample. */
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
   * Takes samples until `target` messages are settled.
   *
   * @returns the samples; in the first nothing is settled if this was called before the consumer had begun
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
      const sample = { ...(await this.sample()), processorMs: processorMs?.() };
      if (sample.settled !== samples.at(-1)?.settled) changedMs = performance.now();
      samples.push(sample);
      onSample?.(sample);
      if (sample.settled >= target) return samples;
      if (performance.now() - changedMs > STALLED_MS_MAX) {
        throw new Error(
          `${this.watched.consumer} has settled ${sample.settled} of ${target} and makes no progress`,
        );
      }
      await pause(POLL_MS);
    }
  }

  private async sample(): Promise<Sample> {
    const { stream, consumer, messages } = this.watched;
    const info = await this.reader.consumer({ stream, name: consumer });
    if (info === undefined) throw new Error(`the consumer ${consumer} does not exist any more`);
    return {
      atMs: info.ts === undefined ? Date.now() : Date.parse(info.ts),
      settled: messages - info.num_pending - info.num_ack_pending,
    };
  }
}
