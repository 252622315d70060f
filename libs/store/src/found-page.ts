/** A page as it was found, with the places from which readers go on. */
import type { EventPosition, StoredEvent } from './event-queries.js';
import type { WalkedTo } from './walk-piece.js';

/** A page of events. */
export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** The next page begins after it. It is left out when this page reached the end of the stored events. */
  readonly next?: EventPosition;
  /** The position from which to continue, now or later; the same as `next` if that exists. */
  readonly end: EventPosition;
  /** Whether the page waits for a sequence to settle. The next page is empty as well if it is requested at once. */
  readonly isWaiting?: boolean;
  /** How many events were inspected; left out where an index chose them. */
  readonly inspected?: number;
  /** Where the walk was ended by its bound, before the page was full or all events were inspected. */
  readonly reached?: WalkedTo;
}
