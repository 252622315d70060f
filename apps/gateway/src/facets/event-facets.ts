import { readFacets, TooManyTopicsError, type Queryable } from '#store';
import { databaseAnswer } from '../database-answer.js';
import { forTopics, tooManyTopics } from '../events/event-reader.js';
import {
  FILTER_PARAMETERS,
  readFilter,
  refuseOtherParameters,
  wrongParameter,
} from '../events/filter-query.js';
import type { PageRoom } from '../events/page-room.js';
import type { Access } from '../keys/access.js';
import type { Answer } from '../text-answer.js';

const FACETS_MS_MAX = 8_000;
const LIMIT_DEFAULT = 10;
const LIMIT_MAX = 100;
const FIELD = /^payload(\.[^.]{1,128}){1,32}$/;

/** Answers which values of a member of payloads are frequent. */
export class EventFacets {
  /** @param room of the questions under way */
  constructor(
    private readonly database: Queryable,
    private readonly room: PageRoom,
  ) {}

  /**
   * Counts values on a sample of the events that the key covers.
   *
   * @throws ProblemError 400 for a wrong query, 403 for a topic that the key does not cover, 503 when the database does
   *   not answer, or too many ask
   */
  async read(queryString: string, access: Access, address: string): Promise<Answer> {
    const parameters = new URLSearchParams(queryString);
    refuseOtherParameters(parameters, [...FILTER_PARAMETERS, 'field', 'limit']);
    const { filter, possible } = forTopics(readFilter(parameters), access);
    const field = readField(parameters.get('field'));
    const valuesMax = readLimit(parameters.get('limit'));
    const share = await this.room.take(access.keyId ?? address, 1);
    const reading = readFacets(this.database, {
      filter: possible ? filter : { ...filter, topics: [] },
      path: field.split('.').slice(1),
      valuesMax,
    }).finally(() => {
      share.release();
    });
    const found = await databaseAnswer(FACETS_MS_MAX, reading).catch((error: unknown) => {
      throw error instanceof TooManyTopicsError ? tooManyTopics() : error;
    });
    const { rate, matched, present } = found;
    const values = found.values.map(({ value, count }) => `{"value":${value},"count":${count}}`).join(',');
    const head = JSON.stringify({ field, sample_rate: rate, matched, present });
    return { text: `${head.slice(0, -1)},"values":[${values}]}`, headers: {} };
  }
}

function readField(text: string | null): string {
  if (text !== null && FIELD.test(text) && text.isWellFormed() && !text.includes('\0')) return text;
  throw wrongParameter('field', '"field" must be a path into the payload, such as payload.status.');
}

function readLimit(text: string | null): number {
  if (text === null) return LIMIT_DEFAULT;
  if (!/^0*[1-9]\d*$/.test(text)) throw wrongParameter('limit', '"limit" must be a positive integer.');
  return Math.min(Number(text), LIMIT_MAX);
}
