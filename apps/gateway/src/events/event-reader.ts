import { EVENT_BYTES_MAX, eventIdError, isTopicPattern, topicError } from '#contracts';
import {
  eventPage,
  findEvent,
  newestPage,
  pageBytes,
  readsPayloads,
  TooManyTopicsError,
  TOPICS_BELOW_MAX,
  type AckFloor,
  type EventPage,
  type NewestPage,
  type Queryable,
} from '#store';
import {
  accepts,
  CLOUD_EVENT_BATCH_TYPE,
  CLOUD_EVENT_TYPE,
  cloudEventText,
} from '../cloudevents/cloud-event-text.js';
import { databaseAnswer } from '../database-answer.js';
import { requireTopic, type Access } from '../keys/access.js';
import { problem, ProblemError, type AnswerHeaders } from '../problems/problem-error.js';
import type { Answer } from '../text-answer.js';
import { writeCursor } from './event-cursor.js';
import { nextLink, readEventQuery, type EventQuery } from './event-query.js';
import type { FilterQuery } from './filter-query.js';
import { eventArrayText, eventViewText, type EventIdentity } from './event-text.js';
import { AT_A_TIME, PageRoom, type PageShare } from './page-room.js';

/** The reader of a page, and how the request reached us. */
export interface PageReader {
  readonly access: Access;
  /** Without keys, room is bounded for each of these addresses. */
  readonly address: string;
  /** See `originOf`. */
  readonly origin: string;
  /** What the client accepts. */
  readonly accept?: string | undefined;
}

const JSON_TYPE = 'application/json';
/** From where to follow what is newer. Every page has it, but of those with the newest event first only the first. */
const CURSOR_HEADER = 'sekali-cursor';
/** How far the page inspected. */
const WALK_HEADER = 'sekali-walk';
/** The largest size of an event in a page, including its names. */
const ROW_BYTES_MAX = EVENT_BYTES_MAX + 4_096;

/** A page of either order. */
type FoundPage = Pick<EventPage, 'events' | 'next' | 'inspected' | 'reached' | 'isWaiting'> &
  Partial<Pick<EventPage, 'end'> & Pick<NewestPage, 'newer'>>;

/** A page with large payloads takes longer than a single event. */
const PAGE_MS_MAX = 12_000;
const ONE_MS_MAX = 3_000;

/** Answers queries about stored events. */
export class EventReader {
  constructor(
    private readonly database: Queryable,
    private readonly ackFloor: AckFloor,
    private readonly room: PageRoom = new PageRoom(),
    private readonly walks: PageRoom = new PageRoom(AT_A_TIME),
  ) {}

  /**
   * Reads one page. A key that covers only some topics gets their events, and learns nothing of others.
   *
   * @throws ProblemError 400 for a wrong query, 403 for a topic that the key does not cover. It is 503 when the
   *   database does not answer, or too many pages are being read
   */
  async page(queryString: string, { access, address, origin, accept }: PageReader): Promise<Answer> {
    const query = forTopics(readEventQuery(queryString), access);
    const isCloud = accepts(accept, CLOUD_EVENT_BATCH_TYPE);
    const type = isCloud ? CLOUD_EVENT_BATCH_TYPE : JSON_TYPE;
    if (!query.possible) {
      const headers = { [CURSOR_HEADER]: writeCursor(query.after), [WALK_HEADER]: 'complete;rows=0' };
      return { type, text: '[]', headers };
    }
    const reader = access.keyId ?? address;
    const walk = isWalk(query) ? await this.walks.take(reader, 1) : undefined;
    const share = await this.room.take(reader, query.limit * ROW_BYTES_MAX).catch((error: unknown) => {
      walk?.release();
      throw error;
    });
    const page = await this.read(query, [share, ...(walk === undefined ? [] : [walk])]);
    walk?.release();
    share.shrinkTo(pageBytes(page.events));
    const release = (): void => {
      share.release();
    };
    const text = eventArrayText(page.events, isCloud ? cloudEventText : undefined);
    return { type, text, headers: headersOf(query, page, origin), release };
  }

  /** Keeps the room until the database has answered, even when the client has given up before. */
  private async read(
    query: EventQuery,
    [share, ...others]: readonly [PageShare, ...PageShare[]],
  ): Promise<FoundPage> {
    const reading = this.readFrom(query, share.bytes);
    try {
      return await databaseAnswer(PAGE_MS_MAX, reading);
    } catch (error) {
      const release = (): void => {
        for (const taken of [share, ...others]) taken.release();
      };
      void reading.then(release, release);
      throw error instanceof TooManyTopicsError ? tooManyTopics() : error;
    }
  }

  private async readFrom(query: EventQuery, bytesMax: number): Promise<FoundPage> {
    const { filter, limit, before, after } = query;
    if (!query.isNewestFirst) return eventPage(this.database, filter, after, limit, this.ackFloor, bytesMax);
    return newestPage(this.database, filter, { before, limit, bytesMax }, this.ackFloor);
  }

  /**
   * One event. Throws 404 when it is unknown, 410 when its payload was dropped, 403 when the key does not cover its
   * topic.
   *
   * @param identity `undefined` where the URL names none
   * @param accept what the client accepts
   */
  async one(identity: EventIdentity | undefined, access: Access, accept?: string): Promise<Answer> {
    const { topic, eventId } = requireIdentity(identity, access);
    const found = await databaseAnswer(ONE_MS_MAX, findEvent(this.database, topic, eventId));
    switch (found.state) {
      case 'stored':
        if (accepts(accept, CLOUD_EVENT_TYPE))
          return { type: CLOUD_EVENT_TYPE, text: cloudEventText(found.event), headers: {} };
        return {
          text: eventViewText(found.event, { duplicates_dropped: found.duplicatesDropped }),
          headers: {},
        };
      case 'dropped':
        throw new ProblemError(
          problem('payload-dropped', 410, 'The event was stored; its payload has been dropped by age.', {
            topic,
            event_id: eventId,
            seq: found.seq,
            stored_at: found.storedAt,
            duplicates_dropped: found.duplicatesDropped,
            story: `/events/${topic}/story?${new URLSearchParams({ event_id: eventId }).toString()}`,
          }),
        );
      case 'unknown':
        throw unknownEvent(
          'No event with this topic and id is stored; one just published may take a moment.',
        );
    }
  }
}

/** Whether events have to be tried one by one. */
function isWalk({ filter, isNewestFirst }: EventQuery): boolean {
  const { source, since, until } = filter;
  return (
    readsPayloads(filter) ||
    (isNewestFirst && (source !== undefined || since !== undefined || until !== undefined))
  );
}

function headersOf(query: EventQuery, page: FoundPage, origin: string): AnswerHeaders {
  const from = page.newer ?? page.end;
  return {
    [WALK_HEADER]: walkText(page),
    ...(from !== undefined && { [CURSOR_HEADER]: writeCursor(from) }),
    ...(page.next !== undefined && { link: nextLink(query, page.next, origin) }),
    ...(page.isWaiting === true && { 'retry-after': '1' }),
  };
}

/** An item of RFC 9651. Where an index chose the events, no others were inspected. */
function walkText({ inspected, reached }: FoundPage): string {
  const rows = inspected === undefined ? '' : `;rows=${inspected}`;
  if (reached === undefined) return `complete${rows}`;
  return `partial${rows};seq=${reached.seq};time="${reached.storedAt}"`;
}

/**
 * Restricts a query to the topics that the key covers.
 *
 * @throws ProblemError 403 for a topic that it does not cover
 */
export function forTopics<Q extends FilterQuery>(query: Q, access: Access): Q {
  const { topic } = query.filter;
  if (topic !== undefined && !isTopicPattern(topic)) requireTopic(access, topic);
  return access.topics === null ? query : { ...query, filter: { ...query.filter, topics: access.topics } };
}

/** A 400 problem: patterns of the query or the key name too many topics. */
export function tooManyTopics(): ProblemError {
  const detail = `There are more than ${TOPICS_BELOW_MAX} topics to choose from: name more of their first tokens with "topic".`;
  return new ProblemError(problem('invalid-parameter', 400, detail, { parameter: 'topic' }));
}

/** Returns the identity. Throws 403 when the key does not cover its topic, 404 when no event can have it. */
export function requireIdentity(identity: EventIdentity | undefined, access: Access): EventIdentity {
  if (identity !== undefined) requireTopic(access, identity.topic);
  if (
    identity === undefined ||
    topicError(identity.topic) !== undefined ||
    eventIdError(identity.eventId) !== undefined
  ) {
    throw unknownEvent('No event can have this topic and id.');
  }
  return identity;
}

/** The problem of an event that is not there. */
export function unknownEvent(detail: string): ProblemError {
  return new ProblemError(problem('unknown-event', 404, detail));
}
