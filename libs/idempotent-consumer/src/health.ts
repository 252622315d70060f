import type { Turn } from './order/turn.js';

/**
 * Whether a consumer makes progress.
 *
 *   | state        | meaning                                                              | what to do          |
 *   |--------------|----------------------------------------------------------------------|---------------------|
 *   | working      | it holds events, and settled one or had a handler return lately      | nothing             |
 *   | idle         | it holds no events                                                   | nothing             |
 *   | standby      | it keeps an order, and another process decides                       | nothing             |
 *   | waiting      | Postgres is out of reach, the store refuses everything, or too many  | repair that         |
 *   |              | events are parked                                                    |                     |
 *   | disconnected | it does not pull: no broker answers, or the consumer does not exist  | repair that         |
 *   | stuck        | it holds events, and made no progress for too long                   | restart the process |
 */
export interface ConsumerHealth {
  readonly state: 'working' | 'idle' | 'standby' | 'waiting' | 'disconnected' | 'stuck';
  /** Deliveries that this process holds unsettled. */
  readonly held: number;
  /**
   * Milliseconds since a delivery was settled, a handler returned, or the first of the held deliveries
   * arrived.
   */
  readonly quietMs: number;
}

/**
 * Judges the progress of a consumer. An open connection says little, since a handler may hang on it.
 *
 * @param isPulling whether it has a session
 * @param isOut whether it waits for Postgres or the store
 * @param stuckMs how long the consumer may hold deliveries without progress
 * @param turn whether another process decides, and whether it waits for room for parked events
 */
export function healthOf(
  isPulling: boolean,
  isOut: boolean,
  { size: held, quietMs }: { readonly size: number; readonly quietMs: number },
  stuckMs: number,
  turn: Pick<Turn, 'isStandby' | 'isFull'> = { isStandby: false, isFull: false },
): ConsumerHealth {
  if (isOut || turn.isFull) return { state: 'waiting', held, quietMs };
  if (held > 0 && quietMs > stuckMs) return { state: 'stuck', held, quietMs };
  if (turn.isStandby) return { state: 'standby', held, quietMs };
  if (!isPulling) return { state: 'disconnected', held, quietMs };
  return { state: held > 0 ? 'working' : 'idle', held, quietMs };
}
