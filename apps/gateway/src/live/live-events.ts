import {
  newestPosition,
  TooManyTopicsError,
  type AckFloor,
  type EventFilter,
  type EventPosition,
  type Queryable,
} from '#store';
import { databaseAnswer } from '../database-answer.js';
import { readCursor } from '../events/event-cursor.js';
import { forTopics, tooManyTopics } from '../events/event-reader.js';
import { FILTER_PARAMETERS, readFilter, refuseOtherParameters } from '../events/filter-query.js';
import type { Access } from '../keys/access.js';
import type { Listener } from './listener.js';
import type { LiveFeed } from './live-feed.js';

const NEWEST_MS_MAX = 5_000;

/** A client that wants to follow events. */
export interface Follower {
  readonly access: Access;
  readonly address: string;
  /** The header `Last-Event-ID`, which a client sends when it comes back. */
  readonly lastEventId: string | undefined;
}

/** Lets clients follow events, from now on or from a position. */
export class LiveEvents {
  private readonly readings = new Map<string, Promise<EventPosition>>();

  constructor(
    private readonly database: Queryable,
    private readonly ackFloor: AckFloor,
    private readonly feed: LiveFeed,
  ) {}

  /**
   * Begins to follow. A key that covers only some topics gets their events alone.
   *
   * @throws ProblemError 400 for a wrong query or cursor, 403 for a topic that the key does not cover, 503 when the
   *   database does not answer, or there are too many listeners
   */
  async follow(queryString: string, { access, address, lastEventId }: Follower): Promise<Listener> {
    const parameters = new URLSearchParams(queryString);
    refuseOtherParameters(parameters, [...FILTER_PARAMETERS, 'cursor']);
    const { filter, possible } = forTopics(readFilter(parameters), access);
    const cursor = lastEventId ?? parameters.get('cursor') ?? undefined;
    const meant = possible ? filter : { ...filter, topics: [] };
    const from = cursor === undefined ? await this.newest(meant) : readCursor(cursor);
    return this.feed.listen({ filter: meant, from, reader: access.keyId ?? address });
  }

  /** A reading that is under way answers others with the same filter, too: they get what came since it began. */
  private async newest(filter: EventFilter): Promise<EventPosition> {
    const key = JSON.stringify(filter);
    let reading = this.readings.get(key);
    if (reading === undefined) {
      reading = newestPosition(this.database, filter, this.ackFloor).finally(() => {
        this.readings.delete(key);
      });
      this.readings.set(key, reading);
    }
    return databaseAnswer(NEWEST_MS_MAX, reading).catch((error: unknown) => {
      throw error instanceof TooManyTopicsError ? tooManyTopics() : error;
    });
  }
}
