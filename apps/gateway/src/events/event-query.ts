/** The query of `GET /events`: its parameters and their meaning. */
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '#contracts';
import { FIRST_POSITION, type EventPosition } from '#store';
import { readBackwardCursor, readCursor, writeBackwardCursor, writeCursor } from './event-cursor.js';
import {
  FILTER_PARAMETERS,
  readFilter,
  refuseOtherParameters,
  wrongParameter,
  type FilterQuery,
} from './filter-query.js';

/** A valid query. */
export interface EventQuery extends FilterQuery {
  readonly limit: number;
  /** Where a page begins whose events are in the order of the stream. */
  readonly after: EventPosition;
  /** Of a page with the newest event first, where it begins; `undefined` means at the newest event of all. */
  readonly before: EventPosition | undefined;
  readonly isNewestFirst: boolean;
  /** The parameters as given, without the cursor. */
  readonly parameters: URLSearchParams;
}

const PARAMETERS = [...FILTER_PARAMETERS, 'order', 'limit', 'cursor'];

/** Reads the query string of a request, without its `?`. Throws a 400 problem that names the parameter. */
export function readEventQuery(queryString: string): EventQuery {
  const parameters = new URLSearchParams(queryString);
  refuseOtherParameters(parameters, PARAMETERS);
  const cursor = parameters.get('cursor');
  const isNewestFirst = readOrder(parameters.get('order'));
  parameters.delete('cursor');
  return {
    ...readFilter(parameters),
    after: cursor === null || isNewestFirst ? FIRST_POSITION : readCursor(cursor),
    before: cursor === null || !isNewestFirst ? undefined : readBackwardCursor(cursor),
    isNewestFirst,
    limit: readLimit(parameters.get('limit')),
    parameters,
  };
}

/**
 * The `Link` header that leads to the next page, with the parameters of this one.
 *
 * @param origin as the client addressed it, see `originOf`
 */
export function nextLink(query: EventQuery, next: EventPosition, origin: string): string {
  const parameters = new URLSearchParams(query.parameters);
  parameters.set('cursor', query.isNewestFirst ? writeBackwardCursor(next) : writeCursor(next));
  return `<${origin}/events?${parameters.toString()}>; rel="next"`;
}

function readOrder(text: string | null): boolean {
  if (text === null || text === 'asc') return false;
  if (text === 'desc') return true;
  throw wrongParameter('order', '"order" must be asc, oldest first, or desc, newest first.');
}

function readLimit(text: string | null): number {
  if (text === null) return PAGE_SIZE_DEFAULT;
  if (!/^0*[1-9]\d*$/.test(text)) throw wrongParameter('limit', '"limit" must be a positive integer.');
  return Math.min(Number(text), PAGE_SIZE_MAX);
}
