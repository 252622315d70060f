import type { Pool } from 'pg';
import type { EventPublisher } from '../producer/event-publisher.js';
import type { Outbox } from './outbox.js';
import type { RelayEvent } from './relay-report.js';

/** Which outbox a relay publishes, and how. `pool`, `outbox` and `publisher` are required. */
export interface OutboxRelayOptions {
  /** The relay keeps one connection of it. No transaction pooler may stand before Postgres. */
  readonly pool: Pool;
  /** An outbox of any topics. */
  readonly outbox: Pick<Outbox, 'tables'>;
  /** It stays open when the relay stops. */
  readonly publisher: Pick<EventPublisher, 'sendInOrder'>;
  /** Events in one round: 5,000 at most. The default is 1,000, which is one atomic batch. */
  readonly batchSize?: number;
  /**
   * How often an idle relay checks for events without a notification, in milliseconds: 10,000 at most. The default is
   * 1,000.
   */
  readonly pollMs?: number;
  /**
   * What happens to events behind a dead letter: `skip` (the default) publishes them, `hold` keeps those of its topic and
   * key until the dead letter is released or dropped.
   */
  readonly onDeadLetter?: 'skip' | 'hold';
  /** It is called synchronously, and must not throw. */
  readonly observe?: (event: RelayEvent) => void;
}
