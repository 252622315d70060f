import type { ConsumerState, DeliverySource } from './delivery-source.js';
import type { Turn } from './order/turn.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer } from './outcome.js';
import type { StreamHistory, StreamIncarnation } from './stream-history.js';

/**
 * Inspects the consumer. It creates a missing consumer, where that is allowed.
 *
 * @throws when the consumer does not exist afterwards, or no broker answers
 */
export async function inspectConsumer(parts: {
  readonly source: DeliverySource;
  readonly recreate: () => Promise<void>;
}): Promise<ConsumerState> {
  const state = await parts.source.inspect();
  if (state) return state;
  await parts.recreate();
  const created = await parts.source.inspect();
  if (!created) throw new Error(`consumer ${parts.source.address.consumer} does not exist: run setup`);
  return created;
}

/**
 * Begins the turn of a consumer that keeps an order. Everything unsettled is delivered again, in the order of the
 * stream, and the brokers forget who holds it.
 *
 * @param state the consumer a moment ago; everything up to its ack floor is decided
 * @param lose ends the session that follows
 * @returns the consumer afterwards
 */
export async function beginTurn(
  parts: {
    readonly source: DeliverySource;
    readonly recreate: () => Promise<void>;
    readonly turn?: Turn | undefined;
  },
  state: ConsumerState,
  lose: (reason: string) => void,
): Promise<ConsumerState> {
  if (parts.turn === undefined) return state;
  const isInOrder = state.ackPending === 0;
  if (!isInOrder) await parts.source.reset(state.ackFloorSeq + 1);
  const placed = isInOrder ? state : await inspectConsumer(parts);
  parts.turn.begin(placed, state.deliveredSeq, lose);
  return placed;
}

/** What `putBack` works with. */
export interface PutBackParts {
  readonly source: DeliverySource;
  readonly gate: OutageGate;
  readonly history: StreamHistory;
  readonly observe: Observer;
}

/** Resets the consumer to where it must begin. @returns whether its position was another one */
export async function putBack(
  { source, gate, history, observe }: PutBackParts,
  incarnation: StreamIncarnation,
  state: ConsumerState,
): Promise<boolean> {
  const start = await gate.pass(() => history.startOf(incarnation, state));
  if (start === undefined) return false;
  const { seq, loss } = start;
  if (loss !== undefined) await gate.pass(async () => history.lost?.(incarnation, loss));
  await source.reset(seq);
  await gate.pass(() => history.started(incarnation, start));
  if (loss !== undefined) observe({ type: 'store-went-back', ...loss });
  observe({ type: 'put-back', seq });
  return true;
}
