/** The description of `GET /facets`. */
import {
  arrayOf,
  COUNT,
  described,
  objectOf,
  schemaNamed,
  type DoorDescription,
} from '../description/operation.js';
import { EVENT_FILTER } from '../events/filter-description.js';

/** The door of frequent values. */
export const FACETS_DOOR: DoorDescription = {
  name: 'Frequent values',
  description: 'Which values a member of payloads has most often.',
  schemas: {
    Facets: objectOf({
      field: described('The path into the payload.', { type: 'string' }),
      sample_rate: described(
        'The part of the stored events that was inspected: 1 is all that are kept. Where a key ' +
          'covers only some topics, the newest events of these are inspected. Then it is their part of those ever stored.',
        {
          type: 'number',
          exclusiveMinimum: 0,
          maximum: 1,
        },
      ),
      matched: described('Events of the sample that match.', COUNT),
      present: described('Those of them that have the member.', COUNT),
      values: arrayOf(objectOf({ value: schemaNamed('Value'), count: COUNT }), {
        description: 'The most frequent first. Values of more than 256 characters are left out.',
      }),
    }),
  },
  operations: [
    {
      id: 'getFacets',
      method: 'get',
      path: '/facets',
      summary: 'Count the values of a member',
      description:
        'On a random sample of about 20,000 stored events, whose rate is said. Counts are those of the sample. A key that ' +
        'covers only some topics gets the newest 20,000 events of these, and their part of those ever stored. Of large ' +
        'payloads, fewer are read: about 64 MiB.',
      scope: 'read',
      parameters: [
        ...EVENT_FILTER,
        {
          name: 'field',
          in: 'query',
          required: true,
          description: 'A path into the payload.',
          schema: { type: 'string', pattern: String.raw`^payload(\.[a-z_]{1,20}){1,3}$` },
          example: 'payload.total',
        },
        {
          name: 'limit',
          in: 'query',
          description: 'How many values, at most. The default is 10, and more than 100 is cut to that.',
          schema: { type: 'integer', minimum: 1 },
        },
      ],
      answers: {
        200: {
          description: 'The values.',
          contents: {
            'application/json': {
              schema: schemaNamed('Facets'),
              examples: {
                totals: {
                  summary: 'All events have the same total',
                  value: {
                    field: 'payload.total',
                    sample_rate: 1,
                    matched: 4,
                    present: 4,
                    values: [{ value: 12.5, count: 4 }],
                  },
                },
              },
            },
          },
        },
      },
      problems: ['invalid-parameter', 'missing-topic', 'unavailable'],
    },
  ],
};
