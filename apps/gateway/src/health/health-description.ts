/** The description of `GET /health` and what is below it. */
import {
  COUNT,
  described,
  objectOf,
  schemaNamed,
  type DoorDescription,
  type OperationDescription,
} from '../description/operation.js';

const WELL = { status: 'ok' };
const COMPONENTS = {
  ...{ broker: WELL, brokers: WELL, stream: WELL },
  ...{ consumer: WELL, database: WELL, schema: WELL },
};
/** A monitor has no key, and must not be slowed down. */
const FOR_EVERYONE = { method: 'get', scope: 'none', isRateBounded: false } as const;

const OPERATIONS: readonly OperationDescription[] = [
  {
    ...FOR_EVERYONE,
    id: 'getHealth',
    path: '/health',
    summary: 'Read a summary',
    description: 'For people: it is 200 while the process answers.',
    answers: {
      200: {
        description: 'The state of each part.',
        contents: {
          'application/json': {
            schema: schemaNamed('Health'),
            examples: {
              well: {
                summary: 'All is well',
                value: { status: 'ok', uptime_seconds: 3600, components: COMPONENTS },
              },
            },
          },
        },
      },
    },
  },
  {
    ...FOR_EVERYONE,
    id: 'getLiveness',
    path: '/health/live',
    summary: 'Ask whether the process lives',
    description: 'A supervisor restarts what does not answer. It is not restarted because a part fails.',
    answers: {
      200: {
        description: 'It lives.',
        contents: {
          'application/json': {
            schema: objectOf({ status: { const: 'ok' } }),
            examples: { lives: { summary: 'It lives', value: WELL } },
          },
        },
      },
    },
  },
  {
    ...FOR_EVERYONE,
    id: 'getReadiness',
    path: '/health/ready',
    summary: 'Ask whether requests should be sent here',
    description: 'It asks the brokers and the database. A `degraded` part leaves the gateway ready.',
    answers: {
      200: {
        description: 'It is ready.',
        contents: {
          'application/json': {
            schema: objectOf({ status: { const: 'ok' }, components: schemaNamed('Components') }),
            examples: { ready: { summary: 'It is ready', value: { status: 'ok', components: COMPONENTS } } },
          },
        },
      },
    },
    problems: ['not-ready'],
  },
];

/** The door of monitors. */
export const HEALTH_DOOR: DoorDescription = {
  name: 'Health',
  description: 'Whether the gateway and what it needs work. None of these routes needs a key.',
  schemas: {
    Health: objectOf(
      {
        status: described('`ok` only when every part is.', { enum: ['ok', 'degraded'] }),
        uptime_seconds: { type: 'number', minimum: 0 },
        components: schemaNamed('Components'),
        unstored: described('The oldest message that is not stored, from half of the stream’s age on.', {
          ...objectOf({ oldest_seconds: COUNT, expires_in_seconds: COUNT, age_seconds_max: COUNT }),
        }),
      },
      ['unstored'],
    ),
  },
  operations: OPERATIONS,
};
