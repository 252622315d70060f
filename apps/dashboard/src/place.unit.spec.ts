/** The address of a view is read as it was written. */
import { describe, expect, it } from '@jest/globals';
import { hrefOf, placeOf } from './place.js';

describe('a place', () => {
  it('is read as it was written, whatever an id is', () => {
    const id = 'a/b?c=d&e#f ü%';
    const { view, parameters } = placeOf(hrefOf('event', { topic: 'orders.created', id }));
    expect([view, parameters.get('topic'), parameters.get('id')]).toEqual(['event', 'orders.created', id]);
  });

  it('leaves out what is empty', () => {
    expect(hrefOf('dead-letters', { topic: '', reason: undefined })).toBe('#/dead-letters');
  });

  it.each(['', '#', '#/', '#/none', '#/constructor'])('is the first view for %j', (hash) => {
    expect(placeOf(hash).view).toBe('now');
  });
});
