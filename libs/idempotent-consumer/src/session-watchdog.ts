import type { DeliveryCheck } from './delivery-check.js';
import type { Delivery } from './delivery.js';
import type { ConsumerState, DeliverySession, DeliverySource } from './delivery-source.js';
import type { HeldDeliveries } from './held-deliveries.js';
import { Watchdog } from './jetstream/watchdog.js';
import type { Observer } from './outcome.js';
import type { OutageGate } from './outage-gate.js';

/** What a watchdog asks, and whom it informs. */
interface WatchedParts {
  readonly source: DeliverySource;
  readonly gate: OutageGate;
  readonly observe: Observer;
}

/** A session, with what the consumer was right before it. */
interface WatchedSession {
  readonly session: DeliverySession;
  readonly check: DeliveryCheck<Delivery>;
  readonly before: ConsumerState;
}

/** Watches one session of a consumer, until it is stopped. */
export function watchdogOver(
  { source, gate, observe }: WatchedParts,
  held: HeldDeliveries,
  { session, check, before }: WatchedSession,
): Watchdog {
  return new Watchdog({
    session,
    before,
    inspect: async () => {
      await check.askAboutNewest();
      const state = await source.inspect();
      if (state) held.setAckWait(state.ackWaitMs);
      return state;
    },
    // During an outage every worker keeps its deliveries.
    isHeld: (seq) => gate.isOut || held.seqs().has(seq),
    giveBack: (firstSeq, lastSeq, state) => {
      source.giveBack(firstSeq, lastSeq, state, held.seqs());
      observe({ type: 'given-back', firstSeq, lastSeq });
    },
    onFlow: () => {
      source.answered();
    },
  });
}
