/** What each kind of problem means, and what a client does about it. A kind without a description does not compile. */
import { arrayOf, COUNT, described, schemaNamed } from '../description/operation.js';
import type { ProblemDescription } from './problem-description.js';
import type { ProblemKind } from './problem-error.js';

const results = arrayOf(schemaNamed('PublishResult'));
/** What a request of events has on an answer that ended it. Lines that came before may have been published. */
const OUTCOMES = { accepted: COUNT, duplicates: COUNT, rejected: results, results };
const LINE_OUTCOMES = {
  ...OUTCOMES,
  invalid: COUNT,
  unavailable: COUNT,
  lines: COUNT,
  results_left_out: COUNT,
};
const PARAMETER = { parameter: described('Its name.', { type: 'string', maxLength: 64 }) };
const REJECTED = {
  index: 0,
  status: 'invalid',
  errors: [
    {
      field: 'topic',
      message: 'topic must be 1 to 16 tokens of 1 to 64 characters A-Z a-z 0-9 _ - joined by dots',
    },
  ],
};

/** All kinds. */
export const PROBLEM_DESCRIPTIONS: Readonly<Record<ProblemKind, ProblemDescription>> = {
  'malformed-request': {
    status: 400,
    when: 'The address, a header or the encoding of the body cannot be read.',
    remedy: 'Correct the request.',
    detail: 'The request has more than one Host header.',
    members: LINE_OUTCOMES,
  },
  'malformed-json': {
    status: 400,
    when: 'The body is not JSON in UTF-8.',
    remedy: 'Correct the body. Nothing was published.',
    detail: 'The JSON ends before it is complete.',
  },
  'invalid-parameter': {
    status: 400,
    when: 'A parameter has a wrong value, is unknown, or is given twice.',
    remedy: 'Correct the parameter that is named.',
    detail: '"limit" must be a positive integer.',
    members: PARAMETER,
    always: ['parameter'],
    example: { parameter: 'limit' },
  },
  'invalid-cursor': {
    status: 400,
    when: 'The cursor is not one of this gateway.',
    remedy: 'Take the cursor unchanged from an answer, or leave it out.',
    detail: 'Take "cursor" unchanged from an answer, or leave it out.',
    members: { parameter: { const: 'cursor' } },
    always: ['parameter'],
    example: { parameter: 'cursor' },
  },
  'invalid-body': {
    status: 422,
    otherStatuses: [400],
    when: 'The body is JSON, but has none of the forms of a request.',
    remedy: 'Send one of the forms.',
    detail: 'The batch is empty. Send one event, an array of events, or {"events": [...]}.',
  },
  'invalid-events': {
    status: 422,
    otherStatuses: [400],
    when: 'Events break rules. Without `Prefer: handling=lenient`, one invalid event refuses the request.',
    remedy: 'Correct the events that `rejected` names by their index.',
    detail: '1 of 1 events are invalid; nothing was published. See "rejected".',
    members: LINE_OUTCOMES,
    always: ['accepted', 'duplicates', 'rejected'],
    example: { accepted: 0, duplicates: 0, rejected: [REJECTED] },
  },
  'invalid-records': {
    status: 422,
    otherStatuses: [400],
    when: 'Some records can never be taken as they are. The others were published.',
    remedy: 'Correct the records that `rejected` names. It lists ten at most.',
    detail: '1 of 2 records were not taken, and the others were. The first one: the line has no time.',
    members: { rejected: results },
    always: ['rejected'],
    example: { rejected: [REJECTED] },
  },
  'unsupported-type': {
    status: 415,
    when: 'The body has no type, or one that the route does not take, or an unknown encoding.',
    remedy: 'Send one of the described types. `Accept-Encoding` names the encodings.',
    detail:
      'Send the body as JSON (Content-Type: application/json), or one event in each line (application/x-ndjson).',
  },
  'too-large': {
    status: 413,
    when: 'The body, or what it unpacks to, is larger than the bound, or has too many events; or the brokers never take a message of this size.',
    remedy: 'Send fewer events in one request, and smaller ones where `results` says so.',
    detail: 'The body is larger than this gateway takes; send fewer events.',
    members: LINE_OUTCOMES,
  },
  'tiny-chunks': {
    status: 400,
    when: 'The body comes in more than 1,000 chunks of fewer than 16 bytes on average.',
    remedy: 'Send larger chunks, or a `Content-Length`.',
    detail: 'The body arrives in chunks of fewer than 16 bytes; nothing more of it was read.',
    members: LINE_OUTCOMES,
  },
  'too-slow': {
    status: 408,
    when: 'The body arrives more slowly than the minimum pace.',
    remedy: 'Send it again. What was published of it is published once.',
    detail:
      'The body arrives too slowly for the room it takes. What was published of it is safe to send again.',
    members: LINE_OUTCOMES,
  },
  'wrong-host': {
    status: 421,
    when: 'The `Host` is not one that an open gateway serves.',
    remedy: 'Use the address of the gateway, or have `SEKALI_HTTP_HOSTS` name the host.',
    detail:
      'Without keys this gateway answers to localhost, 127.0.0.1, [::1] and the hosts that SEKALI_HTTP_HOSTS names.',
  },
  'no-key': {
    status: 401,
    when: 'There is no API key, or it is unknown or revoked.',
    remedy: 'Send a key in one of the described forms.',
    detail: 'Send an API key: Authorization: Bearer sekali_…',
    headers: ['Challenge'],
  },
  'no-signature': {
    status: 401,
    when: 'The delivery is not signed with a secret of its topic, or was signed too long ago.',
    remedy: 'Enter the secret of the topic at the provider. The log of the gateway has the reason.',
    detail: 'The delivery is not signed with a secret of its address, or was signed too long ago.',
    headers: ['Challenge'],
  },
  'missing-scope': {
    status: 403,
    when: 'The key does not have the scope of the route.',
    remedy: 'Use a key with the scope that is named.',
    detail: 'This needs a key with the scope admin; the one sent has read.',
    members: { scope: described('The scope that is needed.', { enum: ['publish', 'read', 'admin'] }) },
    always: ['scope'],
    example: { scope: 'admin' },
    headers: ['Challenge'],
  },
  'missing-topic': {
    status: 403,
    when: 'The key does not cover the topic.',
    remedy: 'Use a key for the topic. Nothing was published.',
    detail: 'The key does not cover topic "orders.created".',
    members: {
      topic: described('The topic.', { type: 'string', maxLength: 200 }),
      outside: described('The events outside, up to 100.', schemaNamed('Outside')),
    },
    example: { topic: 'orders.created' },
  },
  'too-many-requests': {
    status: 429,
    when: 'The key sends more requests a second than it may, or an address has too many without a key.',
    remedy: 'Send it again after `Retry-After` seconds. One request may hold many events.',
    detail: 'One key may send 1000 requests a second here. One request may hold many events.',
    headers: ['RetryAfter'],
  },
  'unknown-event': {
    status: 404,
    when: 'No event with this topic and id is stored.',
    remedy: 'Ask again in a moment if it was just published.',
    detail: 'No event with this topic and id is stored; one just published may take a moment.',
  },
  'unknown-dead-letter': {
    status: 404,
    when: 'No dead letter has this id.',
    remedy: 'List the dead letters.',
    detail: 'No dead letter has this id. "GET /dead-letters?state=all" lists all of them.',
  },
  'unknown-page-file': {
    status: 404,
    when: 'The page has no such file, or it was not built.',
    remedy: 'Load the page again; build it with `npm run build`.',
    detail: 'The page has no such file. It may be of another version: load the page again.',
  },
  'not-replayable': {
    status: 422,
    when: 'The message of the dead letter is not an event, or the mended one is not valid.',
    remedy: 'Give a mended `event` with the same id.',
    detail: 'It would fail again (not_json: the body is not JSON). Give a mended event.',
    members: { topic: schemaNamed('Topic') },
  },
  'invalid-action': {
    status: 422,
    when: 'The body does not describe the action.',
    remedy: 'Correct the member that is named.',
    detail: 'Say why in "reason": it is kept with the dead letter.',
    members: PARAMETER,
    always: ['parameter'],
    example: { parameter: 'reason' },
  },
  'acted-on': {
    status: 409,
    when: 'The dead letter was dropped, or is being replayed in another form.',
    remedy: 'Read it again. `force` acts all the same.',
    detail: 'Another client acted on it at this moment.',
  },
  'payload-dropped': {
    status: 410,
    when: 'The event was stored, and its payload has been dropped by age. Its id is still known.',
    remedy: 'Nothing brings it back.',
    detail: 'The event was stored; its payload has been dropped by age.',
    members: {
      topic: schemaNamed('Topic'),
      event_id: schemaNamed('EventId'),
      seq: schemaNamed('Sequence'),
      stored_at: schemaNamed('Instant'),
      duplicates_dropped: COUNT,
      story: described('The address of what happened to the event.', { type: 'string' }),
    },
    always: ['topic', 'event_id', 'seq', 'stored_at', 'duplicates_dropped', 'story'],
    example: {
      topic: 'orders.created',
      event_id: 'o-1',
      seq: 4711,
      stored_at: '2026-11-22T10:00:01.000000Z',
      duplicates_dropped: 0,
      story: '/events/orders.created/story?event_id=o-1',
    },
  },
  'not-published': {
    status: 503,
    when: 'The brokers do not take some of the events, or the replay.',
    remedy: 'Send the same request again after `Retry-After` seconds: the ids make it safe.',
    detail:
      '1 of 1 events were not published: the stream is full; send it again when there is room. The ids make it safe.',
    members: { ...LINE_OUTCOMES, reason: { type: 'string' } },
    example: {
      accepted: 0,
      duplicates: 0,
      rejected: [],
      results: [
        {
          index: 0,
          topic: 'orders.created',
          event_id: 'o-1',
          status: 'unavailable',
          errors: [{ field: 'event', message: 'the stream is full; send it again when there is room' }],
        },
      ],
    },
    headers: ['RetryAfter'],
  },
  busy: {
    status: 503,
    when: 'A bound of requests, bodies or pages is reached. Nothing was done.',
    remedy: 'Send it again after `Retry-After` seconds.',
    detail: 'Too many large requests wait here; nothing of this one was published. Send it again.',
    members: LINE_OUTCOMES,
    headers: ['RetryAfter'],
  },
  unavailable: {
    status: 503,
    when: 'The database or the brokers do not answer.',
    remedy: 'Send it again after `Retry-After` seconds.',
    detail: 'The database does not answer; try again.',
    members: {
      component: { enum: ['database', 'broker'] },
      known: described('What is known all the same, of `/stats`.', schemaNamed('KnownFigures')),
    },
    always: ['component'],
    example: { component: 'database' },
    headers: ['RetryAfter'],
  },
  'not-ready': {
    status: 503,
    when: 'A part that the gateway needs has failed, or the gateway is stopping.',
    remedy: 'Send requests to another gateway, and ask again.',
    detail: 'Failed: database.',
    members: { components: schemaNamed('Components') },
    always: ['components'],
    example: {
      components: {
        broker: { status: 'ok' },
        brokers: { status: 'ok' },
        stream: { status: 'ok' },
        consumer: { status: 'ok' },
        database: { status: 'failed', detail: 'it does not answer' },
        schema: { status: 'failed', detail: 'it does not answer' },
      },
    },
    headers: ['RetryAfter'],
  },
  stopping: {
    status: 503,
    when: 'The gateway is stopping.',
    remedy: 'Send it again, to another gateway if there is one.',
    detail: 'Send it again, to another gateway if there is one.',
    headers: ['RetryAfter'],
  },
};
