/** Answers questions about stored events. */
import { STREAM_CREATED_METADATA } from '#broker';
import { eventIdError, topicError } from '#contracts';
import { eventPage, findEvent, type AckFloor, type Queryable } from '#store';
import type { BrokerLink } from '../broker-link.js';
import { databaseAnswer } from '../database-answer.js';
import { problem, ProblemError, type AnswerHeaders } from '../problems/problem-error.js';
import { nextLink, readEventQuery } from './event-query.js';
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
    private readonly broker: Pick<BrokerLink, 'consumer'>,
  ) {}

  /** One page. Throws a 400 problem for a wrong query, a 503 problem when the database does not answer. */
  async page(queryString: string): Promise<Answer> {
    const query = readEventQuery(queryString);
    if (!query.possible) return { text: '[]', headers: {} };
    const page = await databaseAnswer(
      PAGE_MS_MAX,
      eventPage(this.database, query.filter, query.after, query.limit, this.ackFloor),
    );
    const text = eventArrayText(page.events);
    if (page.next === undefined) return { text, headers: {} };
    const link = nextLink(query, page.next);
    return { text, headers: page.isWaiting === true ? { link, 'retry-after': '1' } : { link } };
  }

  /** One event, by the URL as it was sent. Throws 404 when it is unknown, 410 when its payload was dropped. */
  async one(url: string): Promise<Answer> {
    const identity = identityOf(url);
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
  private readonly ackFloor: AckFloor = async ({ created }) => {
    const consumer = await this.broker.consumer().catch(() => undefined);
    if (consumer?.config.metadata?.[STREAM_CREATED_METADATA] !== created) return 0;
    return consumer.ack_floor.stream_seq;
  };
}

function unknownEvent(detail: string): ProblemError {
  return new ProblemError(problem('unknown-event', 404, detail));
}
