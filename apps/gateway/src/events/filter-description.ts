/** The parameters that choose events, as several routes describe them. */
import { LEVELS } from '#contracts';
import type { Parameter } from '../description/operation.js';
import { instantIn, TOPIC_FILTER } from '../description/shared-schemas.js';

/** Which events a request is about. */
export const EVENT_FILTER: readonly Parameter[] = [
  TOPIC_FILTER,
  { name: 'source', in: 'query', description: 'Exactly this source.', schema: { type: 'string' } },
  instantIn('since', "the event's own timestamp"),
  instantIn('until', "the event's own timestamp"),
  {
    name: 'where',
    in: 'query',
    description:
      'A path into the payload and a value, or a JSON object that the payload contains. It may be given eight times, ' +
      'and all have to hold. A number, `true`, `false` or `null` also stands for the same text; quotes make it a text alone.',
    schema: { type: 'string', pattern: String.raw`^payload(\.[a-z_]{1,20}){1,3}:[A-Za-z0-9 _-]{0,40}$` },
    example: 'payload.total:12.5',
  },
  {
    name: 'q',
    in: 'query',
    description: 'A part of the text of the payload: of names or values, in small or capital letters.',
    schema: { type: 'string', minLength: 1, maxLength: 256, pattern: String.raw`^[^\u0000\ud800-\udfff]+$` },
  },
  {
    name: 'min_level',
    in: 'query',
    description: 'This level or a more severe one. An event without a level is left out.',
    schema: { enum: LEVELS },
  },
];
