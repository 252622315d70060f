/** The description of `GET /events` and what is below it. */
import { EXAMPLE_CLOUD_EVENT } from '../cloudevents/cloudevents-description.js';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE } from '../cloudevents/cloud-event-text.js';
import {
  arrayOf,
  COUNT,
  described,
  objectOf,
  schemaNamed,
  type DoorDescription,
  type OperationAnswer,
  type Parameter,
} from '../description/operation.js';
import { cursorFrom, EXAMPLE_EVENT, LIMIT } from '../description/shared-schemas.js';
import { EVENT_FILTER } from './filter-description.js';

const EXAMPLE_STORED = {
  ...EXAMPLE_EVENT,
  timestamp: '2026-11-22T10:00:00.000000Z',
  seq: 4711,
  published_at: '2026-11-22T10:00:00.412000Z',
  stored_at: '2026-11-22T10:00:00.431000Z',
};

const STORED = {
  topic: schemaNamed('Topic'),
  event_id: schemaNamed('EventId'),
  timestamp: schemaNamed('Instant'),
  source: schemaNamed('Source'),
  payload: schemaNamed('Payload'),
  seq: schemaNamed('Sequence'),
  published_at: schemaNamed('Instant'),
  stored_at: schemaNamed('Instant'),
};

/** The topic of an event, in the path. */
export const EVENT_TOPIC: Parameter = {
  name: 'topic',
  in: 'path',
  required: true,
  description: 'The topic of the event.',
  schema: schemaNamed('Topic'),
  example: EXAMPLE_EVENT.topic,
};

/** The id of an event, in the path. */
export const EVENT_ID: Parameter = {
  name: 'event_id',
  in: 'path',
  required: true,
  description: 'The id, percent-encoded.',
  schema: schemaNamed('EventId'),
  example: EXAMPLE_EVENT.event_id,
};

/** The id of an event, in the query. */
export const EVENT_ID_IN_QUERY: Parameter = { ...EVENT_ID, in: 'query', description: 'The id.' };

const ONE: OperationAnswer = {
  description: 'The event. `Accept: application/cloudevents+json` asks for a CloudEvent.',
  contents: {
    'application/json': {
      schema: schemaNamed('StoredEventDetail'),
      examples: { event: { summary: 'One event', value: { ...EXAMPLE_STORED, duplicates_dropped: 0 } } },
    },
    [CLOUD_EVENT_TYPE]: {
      schema: schemaNamed('CloudEvent'),
      examples: { event: { summary: 'The same form as it was sent', value: EXAMPLE_CLOUD_EVENT } },
    },
  },
};

/** The door of stored events. */
export const EVENTS_DOOR: DoorDescription = {
  name: 'Reading',
  description: 'Stored events, in the order of their sequences.',
  schemas: {
    StoredEvent: { ...objectOf(STORED), description: 'An event as it is stored.' },
    StoredEventDetail: objectOf({
      ...STORED,
      duplicates_dropped: described('Repeats of it that reached the store.', COUNT),
    }),
  },
  operations: [
    {
      id: 'listEvents',
      method: 'get',
      path: '/events',
      summary: 'List stored events',
      description:
        'Oldest first, unless `order` says otherwise. `Link` leads to the next page while there is one. `Sekali-Cursor` ' +
        'leads to what is newer than the page, now or later: give it as `cursor`, oldest first. Of pages with the newest ' +
        'event first, only the first has it. Conditions on payloads are tried on one event after the other, for about a ' +
        'quarter of a second: the page may then be short or empty, and `Link` goes on. Closed days may have indexes of them. ' +
        'An unknown topic is an empty array.',
      scope: 'read',
      parameters: [
        ...EVENT_FILTER,
        {
          name: 'order',
          in: 'query',
          description: 'Oldest first (`asc`, the default), or newest first (`desc`).',
          schema: { enum: ['asc', 'desc'] },
        },
        { ...LIMIT, example: 100 },
        cursorFrom('`Link` or `Sekali-Cursor`'),
      ],
      answers: {
        200: {
          description:
            'A page, which may be shorter than asked for. `Retry-After` says that the next event has not settled yet.',
          headers: ['SekaliWalk'],
          optionalHeaders: ['Link', 'RetryAfter', 'SekaliCursor'],
          contents: {
            'application/json': {
              schema: arrayOf(schemaNamed('StoredEvent')),
              examples: { page: { summary: 'A page of one event', value: [EXAMPLE_STORED] } },
            },
            [CLOUD_EVENT_BATCH_TYPE]: {
              schema: arrayOf(schemaNamed('CloudEvent')),
              examples: { page: { summary: 'The same as CloudEvents', value: [EXAMPLE_CLOUD_EVENT] } },
            },
          },
        },
      },
      problems: ['invalid-parameter', 'invalid-cursor', 'missing-topic', 'unavailable'],
    },
    {
      id: 'getEvent',
      method: 'get',
      path: '/events/{topic}/{event_id}',
      summary: 'Read one event',
      description: 'The id is everything behind the topic. Ask for the ids `.` and `..` in the query.',
      scope: 'read',
      parameters: [EVENT_TOPIC, EVENT_ID],
      answers: { 200: ONE },
      problems: ['missing-topic', 'unknown-event', 'payload-dropped', 'unavailable'],
    },
    {
      id: 'getEventByQuery',
      method: 'get',
      path: '/events/{topic}',
      summary: 'Read one event by a query',
      description: 'The same, for ids that a client would take out of a path.',
      scope: 'read',
      parameters: [EVENT_TOPIC, EVENT_ID_IN_QUERY],
      answers: { 200: ONE },
      problems: ['missing-topic', 'unknown-event', 'payload-dropped', 'unavailable'],
    },
  ],
};
