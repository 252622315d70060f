import { describe, expect, it } from '@jest/globals';
import {
  apiKeyEntryErrors,
  apiKeyHash,
  apiKeyIdOf,
  coversTopic,
  newApiKeyToken,
  topicPatternError,
} from './api-key.js';

const ENTRY = {
  key_id: '0123456789abcdef',
  name: 'producer',
  scopes: ['publish'],
  topics: null,
  hash: 'a'.repeat(64),
};

describe('a token', () => {
  it('names its key, and is another one each time', () => {
    const tokens = Array.from({ length: 100 }, newApiKeyToken);
    expect(new Set(tokens).size).toBe(100);
    for (const token of tokens) expect(token).toBe(`sekali_${apiKeyIdOf(token) ?? ''}_${token.slice(24)}`);
    expect(tokens[0]).toHaveLength(67);
  });

  it('is kept as the SHA-256 of all of it', () => {
    const token = `sekali_${'0'.repeat(16)}_${'A'.repeat(43)}`;
    expect(apiKeyHash(token)).toBe('554bc4ea1d240784be037ea4704978ed4266b8c63c6b8643078f6bb29cd00831');
  });

  it.each([
    '',
    'sekali',
    `sekali_${'A'.repeat(16)}_${'a'.repeat(43)}`,
    `sekali_${'0'.repeat(16)}_short`,
    ` ${newApiKeyToken()}`,
    `${newApiKeyToken()}\n`,
  ])('%j is none', (text) => {
    expect(apiKeyIdOf(text)).toBeUndefined();
  });
});

describe('an entry of a key file', () => {
  it('may name all topics, topics and prefixes', () => {
    expect(apiKeyEntryErrors(ENTRY)).toEqual([]);
    expect(apiKeyEntryErrors({ ...ENTRY, scopes: ['read', 'publish'], topics: ['a', 'b.c.>'] })).toEqual([]);
    const defaults = { topic: 'b.c.d', source: 's', id_field: '/log/id', time_field: '@timestamp' };
    expect(apiKeyEntryErrors({ ...ENTRY, topics: ['b.c.>'], defaults })).toEqual([]);
    expect(apiKeyEntryErrors({ ...ENTRY, defaults: { topic: 'a' } })).toEqual([]);
  });

  it.each([
    ['no object', [3]],
    ['another id', { ...ENTRY, key_id: '0123456789ABCDEF' }],
    ['no name', { ...ENTRY, name: '' }],
    ['a name of two lines', { ...ENTRY, name: 'a\nb' }],
    ['no scope', { ...ENTRY, scopes: [] }],
    ['an unknown scope', { ...ENTRY, scopes: ['write'] }],
    ['a scope twice', { ...ENTRY, scopes: ['read', 'read'] }],
    ['no list of topics', { ...ENTRY, topics: 'a' }],
    ['an empty list of topics, which would be read as none or as all', { ...ENTRY, topics: [] }],
    ['topics left out', { ...ENTRY, topics: undefined }],
    ['a plain token for a hash', { ...ENTRY, hash: newApiKeyToken() }],
    ['an unknown member', { ...ENTRY, token: 'x' }],
    ['defaults that are none', { ...ENTRY, defaults: null }],
    ['defaults without a topic', { ...ENTRY, defaults: { source: 's' } }],
    ['a default topic that is none', { ...ENTRY, defaults: { topic: 'a b' } }],
    ['an unknown default', { ...ENTRY, defaults: { topic: 'a', level: 'x' } }],
    ['a field without a name', { ...ENTRY, defaults: { topic: 'a', id_field: '' } }],
    ['a default topic outside of its own', { ...ENTRY, topics: ['a.>'], defaults: { topic: 'a' } }],
  ])('is wrong with %s', (_, entry) => {
    expect(apiKeyEntryErrors(entry)).toHaveLength(1);
  });

  it('never repeats a value in what it says: it may be a secret', () => {
    const secret = newApiKeyToken();
    const errors = apiKeyEntryErrors({
      key_id: secret,
      name: 3,
      scopes: [secret],
      topics: [secret, secret + ' '],
      hash: secret,
      [secret]: 1,
    });
    expect(errors.length).toBeGreaterThan(4);
    expect(errors.join()).not.toContain(secret);
  });
});

describe('topics of a key', () => {
  it.each([
    [null, 'a.b', true],
    [['a.b'], 'a.b', true],
    [['a.b'], 'a.b.c', false],
    [['a.>'], 'a.b', true],
    [['a.>'], 'a.b.c', true],
    [['a.>'], 'a', false],
    [['a.>'], 'ab', false],
    [['a.>', 'a'], 'a', true],
  ])('%j covers %s: %s', (topics, topic, covered) => {
    expect(coversTopic(topics, topic)).toBe(covered);
  });

  it.each(['>', '.>', 'a>', 'a.*', '*', 'a..>', 'a b', '$JS.>', ''])('are not written %j', (pattern) => {
    expect(topicPatternError(pattern)).toBeDefined();
  });
});
