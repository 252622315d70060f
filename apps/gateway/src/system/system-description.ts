/** The description of `GET /system`. */
import {
  arrayOf,
  COUNT,
  described,
  nullable,
  objectOf,
  schemaNamed,
  type DoorDescription,
  type Schema,
} from '../description/operation.js';
import { PROGRAMS_MAX } from './system-state.js';

const TEXT: Schema = { type: 'string' };
const SECONDS: Schema = { type: 'number', minimum: 0 };
const INSTANT = schemaNamed('Instant');
const DAYS: Schema = { type: 'integer', minimum: 1 };
const ROLE = nullable({ type: 'string', enum: ['leader', 'replica'] });

const BROKERS = objectOf({
  stream: objectOf({
    name: TEXT,
    messages: COUNT,
    bytes: COUNT,
    bytes_max: described('Null where it has no bound.', nullable(COUNT)),
    age_seconds_max: described('When a message leaves it; null for never.', nullable(SECONDS)),
    first_seq: COUNT,
    last_seq: COUNT,
  }),
  consumer: described(
    'Null when there is none.',
    nullable(
      objectOf({
        name: TEXT,
        ack_floor: described('Up to here every message is settled.', COUNT),
        unsettled: described('Messages that were delivered, and not settled.', COUNT),
        undelivered: COUNT,
      }),
    ),
  ),
  quorum: described(
    'Brokers that hold the stream, and how many have to answer.',
    objectOf({ members: COUNT, answering: COUNT, needed: COUNT }),
  ),
  members: arrayOf(
    objectOf({
      name: TEXT,
      stream: described('What it is to the stream.', ROLE),
      consumer: described('What it is to the consumer.', ROLE),
      answers: { type: 'boolean' },
      behind: described('Operations that its copy of the stream lacks.', COUNT),
    }),
  ),
});

const DATABASE = objectOf({
  version: TEXT,
  started_at: INSTANT,
  bytes: COUNT,
  connections: described('To this database.', COUNT),
  connections_max: described('To the whole server.', COUNT),
  standbys: described('Servers that follow this one.', COUNT),
  days: described('Days of events that have a partition.', COUNT),
  oldest_day: described('Where the oldest of them begins.', nullable(INSTANT)),
  prepared_until: described('Where the newest of them ends.', nullable(INSTANT)),
});

const PROGRAM = objectOf({
  host: TEXT,
  process: described('Its number on its host.', COUNT),
  started_at: INSTANT,
  seen_seconds: described('Since it last said that it runs, which it does every ten seconds.', SECONDS),
  broker: described('The broker that it is connected to.', nullable(TEXT)),
  state: described(
    'A gateway is `connected`, `unanswered` or `disconnected`. A worker is `working`, `idle`, `waiting`, `disconnected` or `stuck`.',
    TEXT,
  ),
  held: described('Messages that it is about to publish or to settle.', COUNT),
  messages: described('What a gateway had acknowledged, or a worker decided, since it started.', COUNT),
  per_second: described('The same, lately.', SECONDS),
  retention_at: described('When a worker last dropped all that was older than its rule.', nullable(INSTANT)),
});

const RETENTION = objectOf({
  payloads: described(
    'The first rule that matches a topic decides. Null is for ever, which a topic without a rule has as well.',
    arrayOf(objectOf({ pattern: TEXT, days: nullable(DAYS) })),
  ),
  rows: described(
    'Days after which rows are dropped; null is never.',
    objectOf({ duplicate: nullable(DAYS), conflict: nullable(DAYS), dead_letter: nullable(DAYS) }),
  ),
});

const AUDIT = objectOf({
  verdict: { enum: ['whole', 'violated', 'unknown'] },
  summary: described('The verdict in one sentence.', TEXT),
  stream: TEXT,
  sequences: described('The last sequence of the stream.', COUNT),
  in_flight: COUNT,
  ended_at: INSTANT,
  seconds: described('How long it took.', SECONDS),
  host: described('Where it ran.', TEXT),
  role: described('The role of the database as which it was connected.', TEXT),
});

/** The door of what the system consists of. */
export const SYSTEM_DOOR: DoorDescription = {
  name: 'System',
  description: 'What the system consists of, and what each part does.',
  schemas: {
    SystemBrokers: BROKERS,
    SystemDatabase: DATABASE,
    SystemProgram: PROGRAM,
    SystemRetention: RETENTION,
    SystemAudit: AUDIT,
    System: objectOf({
      brokers: nullable(schemaNamed('SystemBrokers')),
      database: nullable(schemaNamed('SystemDatabase')),
      gateways: nullable(arrayOf(schemaNamed('SystemProgram'))),
      workers: nullable(arrayOf(schemaNamed('SystemProgram'))),
      more_programs: described(`Whether there are more than ${PROGRAMS_MAX}.`, { type: 'boolean' }),
      retention: nullable(schemaNamed('SystemRetention')),
      audits: described(
        'The newest results that `sekali audit` kept, the newest first.',
        nullable(arrayOf(schemaNamed('SystemAudit'))),
      ),
    }),
  },
  operations: [
    {
      id: 'getSystem',
      method: 'get',
      path: '/system',
      summary: 'Read the state of each part',
      description:
        'A part that does not answer within three seconds is null. The key needs to cover all topics.',
      scope: 'read',
      answers: {
        200: {
          description: 'The parts.',
          contents: {
            'application/json': {
              schema: schemaNamed('System'),
              examples: {
                outage: {
                  summary: 'Neither the brokers nor the database answer',
                  value: {
                    ...{ brokers: null, database: null, gateways: null, workers: null },
                    ...{ more_programs: false, retention: null, audits: null },
                  },
                },
              },
            },
          },
        },
      },
      problems: ['missing-topic'],
    },
  ],
};
