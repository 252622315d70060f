/** Answers questions about stored events. */
import { streamIdentity } from '#broker';
import { coversTopic, eventIdError, topicError } from '#contracts';
import { eventPage, findEvent, type AckFloor, type Queryable } from '#store';
import type { BrokerLink } from '../broker-link.js';
import { databaseAnswer } from '../database-answer.js';
import { requireTopic, type Access } from '../keys/access.js';
import { problem, ProblemError, type AnswerHeaders } from '../problems/problem-error.js';
import { nextLink, readEventQuery, type EventQuery } from './event-query.js';
import { eventArrayText, eventViewText, identityOf } from './event-text.js';

/** JSON text with the headers that go with it. */
export interface Answer {
  readonly text: string;
  readonly headers: AnswerHeaders;
}

/** A page with large payloads takes longer than a look at one event. */
const PAGE_MS_MAX = 12_000;
const ONE_MS_MAX = 3_000;

/** See the head of this file. */
export class EventReader {
  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<BrokerLink, 'consumer' | 'stream'>,
  ) {}

  /**
   * One page. A key that covers only some topics gets the events of these; where it covers more than one, the others
   * are left out of each page, which is then shorter.
   *
   * @throws ProblemError 400 for a wrong query, 403 for a topic that the key does not cover, 503 when the database
   *   does not answer
   */
  async page(queryString: string, access: Access): Promise<Answer> {
    const query = forTopics(readEventQuery(queryString), access);
    if (!query.possible) return { text: '[]', headers: {} };
    const page = await databaseAnswer(
      PAGE_MS_MAX,
      eventPage(this.database, query.filter, query.after, query.limit, this.ackFloor),
    );
    const text = eventArrayText(page.events.filter((event) => coversTopic(access.topics, event.topic)));
    if (page.next === undefined) return { text, headers: {} };
    const link = nextLink(query, page.next);
    return { text, headers: page.isWaiting === true ? { link, 'retry-after': '1' } : { link } };
  }

  /**
   * One event, by the URL as it was sent. Throws 404 when it is unknown, 410 when its payload was dropped, 403 when
   * the key does not cover its topic.
   */
  async one(url: string, access: Access): Promise<Answer> {
    const identity = identityOf(url);
    if (identity !== undefined) requireTopic(access, identity.topic);
    if (
      identity === undefined ||
      topicError(identity.topic) !== undefined ||
      eventIdError(identity.eventId) !== undefined
    ) {
      throw unknownEvent('No event can have this topic and id.');
    }
    const { topic, eventId } = identity;
    const found = await databaseAnswer(ONE_MS_MAX, findEvent(this.database, topic, eventId));
    switch (found.state) {
      case 'stored':
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
          }),
        );
      case 'unknown':
        throw unknownEvent(
          'No event with this topic and id is stored; one just published may take a moment.',
        );
    }
  }

  /** Without an answer from the brokers pages still come, they only may wait longer for a gap to close. */
  private readonly ackFloor: AckFloor = async ({ identity }) => {
    const unknown = (): undefined => undefined;
    const consumer = await this.broker.consumer().catch(unknown);
    const stream = await this.broker.stream().catch(unknown);
    if (stream === undefined || streamIdentity(stream) !== identity) return 0;
    return consumer?.ack_floor.stream_seq ?? 0;
  };
}

/** Asks for a topic that the key covers, or for its only one. */
function forTopics(query: EventQuery, access: Access): EventQuery {
  const { topic } = query.filter;
  if (topic !== undefined) requireTopic(access, topic);
  const [only, ...others] = access.topics ?? [];
  // The whole stream would be read for the few events of one topic.
  if (topic !== undefined || only === undefined || others.length > 0 || only.endsWith('>')) return query;
  return { ...query, filter: { ...query.filter, topic: only } };
}

function unknownEvent(detail: string): ProblemError {
  return new ProblemError(problem('unknown-event', 404, detail));
}
