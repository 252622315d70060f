import { streamIdentity } from '#broker';
import { EVENT_BYTES_MAX, eventIdError, topicError } from '#contracts';
import {
  eventPage,
  findEvent,
  pageBytes,
  TooManyTopicsError,
  TOPICS_BELOW_MAX,
  type AckFloor,
  type EventPage,
  type Queryable,
} from '#store';
import type { BrokerLink } from '../broker-link.js';
import {
  accepts,
  CLOUD_EVENT_BATCH_TYPE,
  CLOUD_EVENT_TYPE,
  cloudEventText,
} from '../cloudevents/cloud-event-text.js';
import { databaseAnswer } from '../database-answer.js';
import { requireTopic, type Access } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { Answer } from '../text-answer.js';
import { writeCursor } from './event-cursor.js';
import { nextLink, readEventQuery, type EventQuery } from './event-query.js';
import { eventArrayText, eventViewText, type EventIdentity } from './event-text.js';
import { PageRoom, type PageShare } from './page-room.js';

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
/** Where to continue, now or later. Every page has it. */
const CURSOR_HEADER = 'sekali-cursor';
/** The largest size of an event in a page, including its names. */
const ROW_BYTES_MAX = EVENT_BYTES_MAX + 4_096;

/** A page with large payloads takes longer than a single event. */
const PAGE_MS_MAX = 12_000;
const ONE_MS_MAX = 3_000;

/** Answers queries about stored events. */
export class EventReader {
  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<BrokerLink, 'consumer' | 'stream'>,
    private readonly room: PageRoom = new PageRoom(),
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
    if (!query.possible) return { type, text: '[]', headers: { [CURSOR_HEADER]: writeCursor(query.after) } };
    const share = await this.room.take(access.keyId ?? address, query.limit * ROW_BYTES_MAX);
    const page = await this.read(query, share);
    share.shrinkTo(pageBytes(page.events));
    const headers = {
      [CURSOR_HEADER]: writeCursor(page.end),
      ...(page.next !== undefined && { link: nextLink(query, page.next, origin) }),
      ...(page.isWaiting === true && { 'retry-after': '1' }),
    };
    const release = (): void => {
      share.release();
    };
    return {
      type,
      text: eventArrayText(page.events, isCloud ? cloudEventText : undefined),
      headers,
      release,
    };
  }

  /** Keeps the room until the database has answered, even when the client has given up before. */
  private async read({ filter, after, limit }: EventQuery, share: PageShare): Promise<EventPage> {
    const reading = eventPage(this.database, filter, after, limit, this.ackFloor, share.bytes);
    try {
      return await databaseAnswer(PAGE_MS_MAX, reading);
    } catch (error) {
      const release = (): void => {
        share.release();
      };
      void reading.then(release, release);
      throw error instanceof TooManyTopicsError ? tooManyTopics() : error;
    }
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

  /** Pages still come without an answer from the brokers. They may only wait longer for a gap to close. */
  private readonly ackFloor: AckFloor = async ({ identity }) => {
    const unknown = (): undefined => undefined;
    const consumer = await this.broker.consumer().catch(unknown);
    const stream = await this.broker.stream().catch(unknown);
    if (stream === undefined || streamIdentity(stream) !== identity) return 0;
    return consumer?.ack_floor.stream_seq ?? 0;
  };
}

/** Restricts the query to the topics that the key covers. */
function forTopics(query: EventQuery, access: Access): EventQuery {
  const { topic } = query.filter;
  if (topic !== undefined) requireTopic(access, topic);
  return access.topics === null ? query : { ...query, filter: { ...query.filter, topics: access.topics } };
}

function tooManyTopics(): ProblemError {
  const detail = `The key covers prefixes with more than ${TOPICS_BELOW_MAX} topics: name one of them with "topic".`;
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
