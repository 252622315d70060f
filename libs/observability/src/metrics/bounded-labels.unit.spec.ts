import { describe, expect, it } from '@jest/globals';
import { BoundedLabels, INVALID, OTHER } from './bounded-labels.js';

const isValid = (value: string): string | undefined => (value.startsWith('!') ? undefined : value);

describe('bounded labels', () => {
  it('name the first values, and call the others (other) for ever', () => {
    const labels = new BoundedLabels(2, (label) => ({ label }), isValid);
    const seen = ['a', 'b', 'c', 'd', 'a', 'b', 'c'].map((value) => labels.of(value).label);
    expect(seen).toEqual(['a', 'b', OTHER, OTHER, 'a', 'b', OTHER]);
  });

  it('create what belongs to a label once', () => {
    let created = 0;
    const labels = new BoundedLabels(1, () => (created += 1), isValid);
    for (const value of ['a', 'b', 'c', 'a', 'b', '!']) labels.of(value);
    expect(created).toBe(2);
  });

  it('give no name to invalid values, however many there are', () => {
    const labels = new BoundedLabels(2, (label) => ({ label }), isValid);
    for (let n = 0; n < 100; n++) expect(labels.of(`!${n}`).label).toBe(INVALID);
    expect(labels.of('a').label).toBe('a');
  });
});
