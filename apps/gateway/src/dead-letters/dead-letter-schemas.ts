/** The schemas of dead letters, as answers and as orders. */
import {
  arrayOf,
  COUNT,
  described,
  nullable,
  objectOf,
  schemaNamed,
  type Schema,
} from '../description/operation.js';

const TEXT: Schema = { type: 'string' };
const STATE: Schema = { enum: ['open', 'replaying', 'stored', 'duplicate', 'dropped'] };
const KIND: Schema = { enum: ['replay', 'drop'] };
const BY = described('The name of the key; null where keys are not required.', nullable(TEXT));
const REPLAY_SEQ = described(
  'Where the brokers have the replay; null for a drop, or until they acknowledged it.',
  nullable(schemaNamed('Sequence')),
);

const LETTER = {
  id: schemaNamed('DeadLetterId'),
  consumer: TEXT,
  topic: described('In brackets where the subject names no topic.', TEXT),
  event_id: described('Null where it could not be read.', nullable(TEXT)),
  seq: schemaNamed('Sequence'),
  subject: TEXT,
  reason: described('Why it was given up, in one word.', TEXT),
  detail: TEXT,
  fingerprint: described('Dead letters with the same one failed alike.', TEXT),
  deliveries: COUNT,
  body_bytes: COUNT,
  published_at: schemaNamed('Instant'),
  recorded_at: schemaNamed('Instant'),
  state: STATE,
  actions: described('Replays and drops.', COUNT),
  last_action: nullable(schemaNamed('LastAction')),
};

const RESULT_STATUS: Schema = {
  enum: [
    ...['published', 'in_flight', 'stored', 'duplicate', 'dropped'],
    ...['possible', 'not_replayable', 'unavailable', 'refused'],
  ],
};

/** A filter, in a query and in a body. */
export const FILTER_MEMBERS: Readonly<Record<string, Schema>> = {
  consumer: described('Exactly this consumer.', { type: 'string', maxLength: 1_200 }),
  topic: described('Exactly this topic.', { type: 'string', maxLength: 1_200 }),
  reason: described('Exactly this reason.', { type: 'string', maxLength: 1_200 }),
  fingerprint: described('One of the groups.', { type: 'string', maxLength: 1_200 }),
  since: described('Dead letters from this instant on.', schemaNamed('Timestamp')),
  until: described('Dead letters before this instant.', schemaNamed('Timestamp')),
};

const REASON: Schema = {
  type: 'string',
  description: 'Why. It is kept in the history.',
  pattern: String.raw`^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]*[^\u0000-\u001f\u007f-\u009f\ud800-\udfff\s][^\u0000-\u001f\u007f-\u009f\ud800-\udfff]*$`,
  maxLength: 250,
};
const FORCE: Schema = {
  type: 'boolean',
  description: 'Whether to act although it was dropped, or is replayed.',
};

/** All of them by name. */
export const DEAD_LETTER_SCHEMAS: Readonly<Record<string, Schema>> = {
  DeadLetterId: {
    type: 'string',
    description: 'Consumer, sequence and time of publication.',
    pattern: '^[a-z][a-z0-9_]{0,30}[.][1-9][0-9]{0,14}[.][0-9]{1,14}$',
    examples: ['store.4711.1764327000123'],
  },
  LastAction: objectOf({
    kind: KIND,
    by: BY,
    reason: nullable(TEXT),
    at: schemaNamed('Instant'),
    replay_seq: REPLAY_SEQ,
  }),
  DeadLetter: { ...objectOf(LETTER), description: 'A message that was given up.' },
  DeadLetterGroup: {
    ...objectOf({
      consumer: TEXT,
      reason: TEXT,
      fingerprint: TEXT,
      message: described('The detail without quoted texts and numbers.', TEXT),
      count: COUNT,
      topic: described('The topic of the newest one.', TEXT),
      more_topics: { type: 'boolean' },
      first_at: schemaNamed('Instant'),
      last_at: schemaNamed('Instant'),
      newest: schemaNamed('DeadLetterId'),
    }),
    description: 'Dead letters that failed alike.',
  },
  DeadLetterAction: objectOf({
    number: COUNT,
    kind: KIND,
    by: BY,
    key_id: nullable(TEXT),
    reason: nullable(TEXT),
    at: schemaNamed('Instant'),
    mended: described('Whether the replay published another body.', { type: 'boolean' }),
    replay_seq: REPLAY_SEQ,
    became: described('What the consumer made of the replay.', {
      enum: ['stored', 'duplicate', 'dead_letter', 'in_flight', null],
    }),
    failure: described('Why the replay failed again.', nullable(objectOf({ reason: TEXT, detail: TEXT }))),
  }),
  DeadLetterDetail: objectOf({
    ...LETTER,
    headers: { type: 'object', additionalProperties: arrayOf(TEXT) },
    body: objectOf({
      text: described('Null where the body is not UTF-8.', nullable(TEXT)),
      base64: TEXT,
      is_cut: described('Whether the body has more bytes than these.', { type: 'boolean' }),
    }),
    history: described('Oldest first.', arrayOf(schemaNamed('DeadLetterAction'))),
  }),
  DeadLetterResult: {
    ...objectOf(
      {
        id: schemaNamed('DeadLetterId'),
        status: RESULT_STATUS,
        number: described('Of the action in the history.', COUNT),
        seq: schemaNamed('Sequence'),
        detail: TEXT,
      },
      ['number', 'seq', 'detail'],
    ),
    description: 'What became of one dead letter. `possible` is that of a dry run.',
  },
  DeadLetterResults: objectOf({
    dry_run: { type: 'boolean' },
    counts: described('Results by status.', {
      type: 'object',
      propertyNames: RESULT_STATUS,
      additionalProperties: COUNT,
    }),
    results: arrayOf(schemaNamed('DeadLetterResult')),
    cursor: described('Of the next request; null after the last one.', nullable(TEXT)),
  }),
  ReplayOrder: {
    ...objectOf(
      {
        reason: REASON,
        event: described('A mended event. Topic and id may be left out.', schemaNamed('Payload')),
        body: described('The same as its JSON text.', TEXT),
        force: FORCE,
      },
      ['reason', 'event', 'body', 'force'],
    ),
    not: { required: ['event', 'body'] },
    description: 'A replay. All members may be left out.',
  },
  DropOrder: objectOf({ reason: REASON, force: FORCE }, ['force']),
  Filter: {
    ...objectOf(FILTER_MEMBERS, Object.keys(FILTER_MEMBERS)),
    description: 'Which dead letters. Without members it is all of them that are not ended.',
  },
  FilterOrder: objectOf(
    {
      filter: schemaNamed('Filter'),
      reason: REASON,
      dry_run: { type: 'boolean', description: 'Whether to count only, and to change nothing.' },
      limit: { type: 'integer', minimum: 1, maximum: 9_007_199_254_740_991, default: 100 },
      cursor: described('Of the answer before.', {
        type: ['string', 'null'],
        pattern: '^[A-Za-z0-9_-]+$',
        'x-opaque': true,
      }),
    },
    ['reason', 'dry_run', 'limit', 'cursor'],
  ),
  DropFilterOrder: {
    allOf: [schemaNamed('FilterOrder')],
    anyOf: [{ required: ['reason'] }, { required: ['dry_run'], properties: { dry_run: { const: true } } }],
    description: 'The same, with a reason unless it is a dry run.',
  },
};
