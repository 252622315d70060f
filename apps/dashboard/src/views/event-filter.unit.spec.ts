/** A filter of events is the same in the address, in the form and in the request. */
import { describe, expect, it } from '@jest/globals';
import { placeOf } from '../place.js';
import { eventFilterIn, hrefOfFilter, queryOf } from './event-filter.js';

describe('a filter of events', () => {
  it('is read as it was written', () => {
    const filter = { topic: 'logs.>', q: 'a b&c', where: ['payload.status:500', '{"a.b":1}'] };
    expect(eventFilterIn(placeOf(hrefOfFilter(filter)).parameters)).toEqual(filter);
  });

  it('leaves out what is empty', () => {
    expect(eventFilterIn(new URLSearchParams('topic=&where=&where= a ')).where).toEqual(['a']);
    expect(hrefOfFilter({ where: [] })).toBe('#/explore');
  });

  it('has further parameters of a request', () => {
    expect(queryOf({ where: ['a:1'] }, { order: 'desc' })).toBe('order=desc&where=a%3A1');
  });
});
