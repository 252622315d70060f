/** Which events are shown, as it stands in the address and in a request. */
import { hrefOf } from '../place.js';

const SINGLE = ['topic', 'source', 'q', 'min_level', 'since', 'until'] as const;

/** A filter of events. What is left out selects all. */
export interface EventFilter extends Readonly<Partial<Record<(typeof SINGLE)[number], string>>> {
  /** Such as `payload.status:500`; all of them hold. */
  readonly where: readonly string[];
}

/** Reads a filter out of an address, or out of a form. */
export function eventFilterIn(parameters: URLSearchParams): EventFilter {
  const given = SINGLE.flatMap((name) => {
    const value = parameters.get(name)?.trim() ?? '';
    return value === '' ? [] : [[name, value] as const];
  });
  const where = parameters.getAll('where').flatMap((one) => (one.trim() === '' ? [] : [one.trim()]));
  return { ...Object.fromEntries(given), where };
}

/** The query of a filter, in the form in which the gateway takes it. */
export function queryOf(filter: EventFilter, others: Readonly<Record<string, string>> = {}): string {
  const parameters = new URLSearchParams(others);
  for (const name of SINGLE) if (filter[name] !== undefined) parameters.set(name, filter[name]);
  for (const one of filter.where) parameters.append('where', one);
  return parameters.toString();
}

/** The address of the view with a filter. @param others what else the view shows, such as `field` */
export function hrefOfFilter(filter: EventFilter, others: Readonly<Record<string, string>> = {}): string {
  const query = queryOf(filter, others);
  return query === '' ? hrefOf('explore') : `${hrefOf('explore')}?${query}`;
}

/** The filter with one more condition. */
export function withCondition(filter: EventFilter, condition: string): EventFilter {
  return filter.where.includes(condition) ? filter : { ...filter, where: [...filter.where, condition] };
}
