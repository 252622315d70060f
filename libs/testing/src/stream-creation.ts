import type { StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { waitFor } from './condition.js';

/** `jetStreamApi`, or the manager of the client. */
interface StreamCreator {
  readonly streams: { add(config: Partial<StreamConfig> & { name: string }): Promise<StreamInfo> };
}

/**
 * Creates a stream on brokers that have just started, and returns what the brokers say of it.
 *
 * A healthy cluster with a leader may still refuse it for a moment ("no suitable peers for placement, peer offline"):
 * the leader has to hear of the disks of all others first, and no monitoring page shows that.
 */
export async function addStream(
  creator: StreamCreator,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo> {
  return waitFor(() => creator.streams.add(config), {
    timeoutMs: 30_000,
    describe: `the brokers to create the stream ${config.name}`,
  });
}
