/**
 * Whether a consumer gets on. A connection that stands says little: a handler may hang on it.
 *
 *   | state        | meaning                                                               | what to do                       |
 *   |--------------|-----------------------------------------------------------------------|----------------------------------|
 *   | working      | events are here, and one was settled or a handler returned lately     | nothing                          |
 *   | idle         | nothing is here                                                       | nothing                          |
 *   | waiting      | Postgres is out of reach, or the store refuses everything             | mend that; a restart helps nobody|
 *   | disconnected | nothing is pulled: the brokers do not answer, or there is no consumer | mend that                        |
 *   | stuck        | events are here, and for too long none was settled, no handler returned | restart the process            |
 */

/** How a consumer is. */
export interface ConsumerHealth {
  readonly state: 'working' | 'idle' | 'waiting' | 'disconnected' | 'stuck';
  /** Deliveries that are here and not settled. */
  readonly held: number;
  /** Since one was settled, a handler returned, or one came while there was none. */
  readonly quietMs: number;
}

/**
 * How a consumer is.
 *
 * @param isPulling whether it has a session
 * @param isOut whether it waits for Postgres or the store
 * @param stuckMs for how long nothing may have happened while deliveries are here
 */
export function healthOf(
  isPulling: boolean,
  isOut: boolean,
  { size: held, quietMs }: { readonly size: number; readonly quietMs: number },
  stuckMs: number,
): ConsumerHealth {
  if (isOut) return { state: 'waiting', held, quietMs };
  if (held > 0 && quietMs > stuckMs) return { state: 'stuck', held, quietMs };
  if (!isPulling) return { state: 'disconnected', held, quietMs };
  return { state: held > 0 ? 'working' : 'idle', held, quietMs };
}
