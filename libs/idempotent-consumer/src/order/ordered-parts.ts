import type { Pool } from 'pg';
import type { Decoder } from '../delivery.js';
import type { Effect, EventEffect } from '../effect.js';
import type { ConsumerBounds } from '../bounds.js';
import type { Observer } from '../outcome.js';
import type { OutageGate } from '../outage-gate.js';
import { Inbox } from '../postgres/inbox.js';
import type { HandlerSettings } from '../postgres/handler-session.js';
import type { InboxTables } from '../postgres/inbox-tables.js';
import type { FiltersFor } from '../postgres/key-generations.js';
import { ProcessEnds } from './process-ends.js';
import { DeliveryOrder } from './delivery-order.js';
import { EventOrder } from './event-order.js';
import { Lease } from './lease.js';
import { LeasedTurn } from './leased-turn.js';
import type { OnDeadLetter } from './order-key.js';
import { OrderedProcessor } from './ordered-processor.js';
import type { OrderTables } from './order-tables.js';
import { ParkedEvents } from './parked-events.js';
import { Room } from './room.js';
import type { Turn } from './turn.js';

/** A handler that takes its full time is abandoned before Postgres ends its transaction. */
const IDLE_MS_MORE = 1_000;

function idleMsMaxOf({ handlerMsMax = Infinity }: ConsumerBounds): number | undefined {
  return Number.isFinite(handlerMsMax) ? Math.ceil(handlerMsMax) + IDLE_MS_MORE : undefined;
}

/** Events that are parked at most. The stream keeps those behind. */
const PARKED_MAX = 100_000;

/** What a consumer that keeps an order is made of. */
export interface OrderedPartsOptions<E> {
  readonly pool: Pool;
  /** Creates the tables, where they are missing. */
  readonly prepare: () => Promise<void>;
  readonly tables: InboxTables;
  readonly order: OrderTables;
  readonly effect: Effect<E> | EventEffect<E>;
  readonly handling: HandlerSettings;
  readonly filtersFor: FiltersFor | undefined;
  /** It sets `orderKey`. */
  readonly decode: Decoder<E>;
  readonly gate: OutageGate;
  readonly settings: ConsumerBounds;
  readonly observe: Observer;
  readonly onDeadLetter: OnDeadLetter;
}

/** Puts together what decides for a consumer that keeps an order, and its turn among other processes. */
export function orderedParts<E>(options: OrderedPartsOptions<E>): {
  readonly processor: OrderedProcessor<E>;
  readonly turn: Turn;
} {
  const { pool, tables, order, effect, handling, filtersFor, decode, gate, settings, observe } = options;
  const { onDeadLetter } = options;
  const lease = new Lease(pool, order, settings.leaseMs);
  const processEnds = new ProcessEnds(lease, settings.isolateAfterDeliveries, settings.prefetch);
  const inOrder = new EventOrder(order, lease, onDeadLetter, processEnds.isCareful, idleMsMaxOf(settings));
  const inbox = new Inbox(pool, tables, effect, handling, filtersFor, inOrder);
  const deliveries = new DeliveryOrder();
  const room = new Room(PARKED_MAX, observe, gate.stopped);
  const processor = new OrderedProcessor(
    { inbox, decode, gate, observe, deliveries, room, processEnds },
    settings,
  );
  const parked = new ParkedEvents(pool, order, lease);
  const turn = new LeasedTurn({
    prepare: options.prepare,
    ...{ lease, processor, deliveries, parked, room, decode, gate, observe },
    bounds: settings,
  });
  return { processor, turn };
}
