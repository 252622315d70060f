import { streamIdentity } from '#broker';
import type { AckFloor } from '#store';
import type { BrokerLink } from '../broker-link.js';

/**
 * Returns the ack floor as the brokers know it. Without an answer from them it is 0: pages still come, and may only wait
 * longer for a gap to close.
 */
export function ackFloorOf(broker: Pick<BrokerLink, 'consumer' | 'stream'>): AckFloor {
  return async ({ identity }) => {
    const unknown = (): undefined => undefined;
    const consumer = await broker.consumer().catch(unknown);
    const stream = await broker.stream().catch(unknown);
    if (stream === undefined || streamIdentity(stream) !== identity) return 0;
    return consumer?.ack_floor.stream_seq ?? 0;
  };
}
