import { describe, expect, it } from '@jest/globals';
import { describeMismatch } from './data-directory.js';
import { parseLock } from './data-directory-lock.js';
import { findSystemUser } from './postgres-account.js';

describe('what a data directory was made with', () => {
  const layout = { format: 1, postgresMajor: 18, nodes: 3 };

  it.each([
    [{ ...layout }, undefined],
    [{ ...layout, format: 2 }, 'has format 2, and this sekali reads format 1: use the sekali that made it'],
    [
      { ...layout, postgresMajor: 16 },
      'was made by Postgres 16, and this is Postgres 18: use that Postgres (SEKALI_POSTGRES_BIN)',
    ],
    [{ ...layout, nodes: 1 }, 'was made with 1 brokers, not 3: give --nodes 1'],
    [{}, 'has format unknown, and this sekali reads format 1: use the sekali that made it'],
  ])('%j: %s', (made, expected) => {
    expect(describeMismatch(made, layout)).toBe(expected);
  });
});

describe('a lock record', () => {
  const lock = {
    owner: { pid: 1, startedAt: 'x' },
    since: 'now',
    children: [{ name: 'a', pid: 2, startedAt: null }],
  };

  it('is read as it was written', () => {
    expect(parseLock(JSON.stringify(lock))).toEqual(lock);
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"owner":{}}',
    '{"owner":{"pid":1}}',
    '{"owner":{"pid":1},"children":[{}]}',
  ])('is refused when it is %j', (text) => {
    expect(parseLock(text)).toBeUndefined();
  });
});

describe("root's stand-in for Postgres", () => {
  it('is postgres rather than "nobody"', () => {
    const passwd =
      'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\npostgres:x:101:104::/:/bin/sh\n';
    expect(findSystemUser(passwd)).toEqual({ name: 'postgres', uid: 101, gid: 104 });
    expect(findSystemUser('nobody:*:-2:-2:n:/:/bin/false')).toEqual({
      name: 'nobody',
      uid: 4294967294,
      gid: 4294967294,
    });
    expect(() => findSystemUser('root:x:0:0::/root:/bin/sh')).toThrow('run sekali as an ordinary user');
  });
});
