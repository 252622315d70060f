import type { ConsumerState, DeliverySource } from './delivery-source.js';
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
