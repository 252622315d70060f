import { streamIdentity } from '#broker';
import type { AckFloor } from '#store';
import type { BrokerLink } from '../broker-link.js';

/**
 * Returns up to where every message is acknowledged and has left the stream, as the brokers know it.
 *
 * What is acknowledged and still in the stream does not count. If it has no row, the store went back in time, and gets
 * the row again. A reader that had passed it would miss it for ever. A gap in the stream itself is passed by the worker
 * when it searches for losses, which it does every ten seconds.
 *
 * Without an answer from the brokers it is 0: pages still come, and may only wait
 * longer for a gap to close.
 */
export function ackFloorOf(broker: Pick<BrokerLink, 'consumer' | 'stream'>): AckFloor {
  return async ({ identity }) => {
    const unknown = (): undefined => undefined;
    const consumer = await broker.consumer().catch(unknown);
    const stream = await broker.stream().catch(unknown);
    if (stream === undefined || streamIdentity(stream) !== identity) return 0;
    return Math.min(consumer?.ack_floor.stream_seq ?? 0, stream.state.first_seq - 1);
  };
}
