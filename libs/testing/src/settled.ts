import type { ConsumerConfig, ConsumerInfo } from '@nats-io/jetstream';
import { waitFor } from './condition.js';

/** What is asked of the brokers: `jetStreamApi`, or the manager of the client. */
interface StreamReader {
  readonly consumers: { info(stream: string, consumer: string): Promise<ConsumerInfo> };
  readonly streams: {
    getMessage(
      stream: string,
      query: { readonly last_by_subj: string },
    ): Promise<{ readonly seq: number } | null>;
  };
}

/**
 * Waits until a consumer has settled every message that it is for.
 *
 * The leader of the consumer may learn of a message later than its publisher, and has nothing pending until then. So the
 * leader of the stream is asked for the last message, too.
 *
 * @param timeoutMs the default is 30 s
 */
export async function untilSettled(
  reader: StreamReader,
  stream: string,
  consumer: string,
  timeoutMs = 30_000,
): Promise<void> {
  await waitFor(
    async () => {
      const info = await reader.consumers.info(stream, consumer);
      const isDelivered = info.delivered.stream_seq >= (await lastFor(reader, stream, info.config));
      return isDelivered && info.num_pending + info.num_ack_pending === 0;
    },
    { timeoutMs, describe: `every message settled for ${consumer}` },
  );
}

async function lastFor(
  { streams }: StreamReader,
  stream: string,
  { filter_subject: one, filter_subjects: several }: ConsumerConfig,
): Promise<number> {
  const subjects = several ?? [one ?? '>'];
  const newest = await Promise.all(
    subjects.map((subject) => streams.getMessage(stream, { last_by_subj: subject })),
  );
  return Math.max(0, ...newest.map((message) => message?.seq ?? 0));
}
