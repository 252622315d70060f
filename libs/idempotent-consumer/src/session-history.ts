/** What a session does about the history of its stream: puts the consumer where it must be, and looks again and again. */
import { type DeliveryCheck, historyDoubt } from './delivery-check.js';
import type { Delivery } from './delivery.js';
import type { ConsumerSight, DurableConsumer } from './jetstream/durable-consumer.js';
import type { PullSession } from './jetstream/pull-session.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer } from './outcome.js';
import type { StreamHistory, StreamIncarnation } from './stream-history.js';

/** How often a session looks at the consumer and the stream. */
export const LOOK_EVERY_MS = 2_000;
/** Quiet for so long although messages wait: the session is dead without having said so. */
const STALLED_MS = 4_000;

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

/** The watchdog of a session: finds out what no status message said. Never rejects. */
export async function lookAgain(
  session: PullSession,
  check: DeliveryCheck<Delivery>,
  durable: DurableConsumer,
  before: ConsumerSight,
): Promise<void> {
  try {
    await check.askAboutNewest();
    const now = await durable.look();
    const doubt = now && historyDoubt(before, now);
    if (!now) session.lose('the consumer is gone');
    else if (doubt !== undefined) session.lose(doubt);
    else if (now.pending > 0 && session.quietMs >= STALLED_MS)
      session.lose('messages wait, none is delivered');
  } catch (error) {
    session.lose(error instanceof Error ? error.message : String(error));
  }
}
