/** What a session does about the history of its stream before it begins: it puts the consumer where it must be. */
import type { ConsumerSight, DurableConsumer } from './jetstream/durable-consumer.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer } from './outcome.js';
import type { StreamHistory, StreamIncarnation } from './stream-history.js';

/** Looks at the consumer; one that is gone is made, where that is allowed. @throws when there is none then */
export async function seeConsumer(parts: {
  readonly durable: DurableConsumer;
  readonly recreate: () => Promise<void>;
}): Promise<ConsumerSight> {
  const sight = await parts.durable.look();
  if (sight) return sight;
  await parts.recreate();
  const made = await parts.durable.look();
  if (!made) throw new Error(`consumer ${parts.durable.address.consumer} does not exist: run setup`);
  return made;
}

/** What putting back needs. */
export interface PutBackParts {
  readonly durable: DurableConsumer;
  readonly gate: OutageGate;
  readonly history: StreamHistory;
  readonly observe: Observer;
}

/** Has the consumer begin where it must. @returns whether it stood elsewhere */
export async function putBack(
  { durable, gate, history, observe }: PutBackParts,
  incarnation: StreamIncarnation,
  sight: ConsumerSight,
): Promise<boolean> {
  const seq = await gate.pass(() => history.startOf(incarnation, sight));
  if (seq === undefined) return false;
  await durable.reset(seq);
  await gate.pass(() => history.started(incarnation, seq));
  observe({ type: 'put-back', seq });
  return true;
}
