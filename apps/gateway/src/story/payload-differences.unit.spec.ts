import { describe, expect, it } from '@jest/globals';
import { payloadDifferences } from './payload-differences.js';

const differences = (stored: string, sent: string, countMax = 10): unknown[] =>
  payloadDifferences(stored, sent, countMax).map(({ path, stored: before, sent: after }) => [
    path,
    before,
    after,
  ]);

describe('what differs between two payloads', () => {
  it('is nothing between equal texts', () => {
    expect(differences('{"a": 1}', '{"a": 1}')).toEqual([]);
  });

  it('is each member with another value, one that is missing, and one that was added', () => {
    expect(differences('{"a": 1, "b": 2, "c": 3}', '{"a": 1, "b": "2", "d": null}')).toEqual([
      ['/b', '2', '"2"'],
      ['/c', '3', undefined],
      ['/d', undefined, 'null'],
    ]);
  });

  it('is found inside of objects and arrays, and its path is a JSON pointer', () => {
    expect(differences('{"a/b": {"~": [1, {"c": true}]}}', '{"a/b": {"~": [1, {"c": false}, 2]}}')).toEqual([
      ['/a~1b/~0/1/c', 'true', 'false'],
      ['/a~1b/~0/2', undefined, '2'],
    ]);
  });

  it('keeps digits that a number of JavaScript does not have', () => {
    expect(differences('{"n": 12345678901234567890}', '{"n": 12345678901234567891}')).toEqual([
      ['/n', '12345678901234567890', '12345678901234567891'],
    ]);
  });

  it('is the whole value where its kind differs, or where it is very deep', () => {
    expect(differences('{"a": [1]}', '{"a": {"0": 1}}')).toEqual([['/a', '[1]', '{"0": 1}']]);
    const deep = (leaf: number): string => `${'{"a": '.repeat(20)}${leaf}${'}'.repeat(20)}`;
    const [[path]] = differences(deep(1), deep(2)) as [[string]];
    expect(path).toBe('/a'.repeat(8));
  });

  it('ends at a bound', () => {
    expect(differences('{"a": 1, "b": 1, "c": 1}', '{"a": 2, "b": 2, "c": 2}', 2)).toHaveLength(2);
  });
});
