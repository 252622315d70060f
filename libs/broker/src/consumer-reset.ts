/**
 * Moves a consumer back or forward.
 *
 * Between accounts, the answer is lost when the broker that receives the request also leads the consumer. So the
 * consumer is inspected while the answer is awaited. Its position alone proves nothing, because workers may take its
 * deliveries at once.
 */
import type { ConsumerInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { valueOrTimeout } from '#waiting';
import { jetStreamApi } from './jetstream-api.js';

const RESET_MS_MAX = 5_000;
const INSPECT_MS = 100;

/**
 * Moves a consumer so that its next delivery is the first message at or after a sequence. Deliveries that were not
 * acknowledged are forgotten.
 *
 * @throws when the brokers refuse, with their reason and what to do
 */
export async function resetConsumer(
  connection: NatsConnection,
  { name, stream }: { readonly name: string; readonly stream: string },
  seq: number,
): Promise<void> {
  const { consumers } = await jetStreamApi(connection, RESET_MS_MAX);
  const before = await consumers.info(stream, name);
  let reason = '';
  let cause: unknown;
  const answer = consumers.reset(stream, name, seq).then(
    () => true,
    (error: unknown) => {
      cause = error;
      reason = error instanceof Error ? error.message : String(error);
      return false;
    },
  );
  for (;;) {
    const isAnswered = await valueOrTimeout(INSPECT_MS, answer);
    if (isAnswered === true) return;
    const now = await consumers.info(stream, name).catch(() => undefined);
    if (now && wasReset(before, now, seq)) return;
    if (isAnswered === false)
      throw new Error(
        `consumer ${name} cannot be reset to sequence ${seq} (${reason}): run sekali rewind, then setup`,
        { cause },
      );
  }
}

/** A reset restarts the count of deliveries and usually moves the position back. Nothing else does. */
function wasReset({ delivered: then }: ConsumerInfo, { delivered: now }: ConsumerInfo, seq: number): boolean {
  if (now.consumer_seq < then.consumer_seq || now.stream_seq < then.stream_seq) return true;
  return now.consumer_seq === 0 && now.stream_seq === seq - 1;
}
