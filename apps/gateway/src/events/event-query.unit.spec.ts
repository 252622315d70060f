import { describe, expect, it } from '@jest/globals';
import { FIRST_POSITION, SEEN_RANGES_MAX } from '#store';
import { ProblemError } from '../problems/problem-error.js';
import { readCursor, writeCursor } from './event-cursor.js';
import { nextLink, readEventQuery } from './event-query.js';
import { eventViewText, identityInQuery, identityOf } from './event-text.js';

function parameterRefused(query: string): unknown {
  try {
    readEventQuery(query);
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 400) return error.problem['parameter'];
    throw error;
  }
  return undefined;
}

describe('a cursor', () => {
  it('leads back to its position', () => {
    const position = { streamId: 2_147_483_647, seq: Number.MAX_SAFE_INTEGER };
    expect(readCursor(writeCursor(position))).toEqual(position);
  });

  it('remembers what was read beyond its position, and fits into a header', () => {
    const seen = Array.from({ length: SEEN_RANGES_MAX }, (_, n): [number, number] => [
      2_000_000 * n + 10,
      2_000_000 * n + 1_000_000,
    ]);
    const position = { streamId: 3, seq: 5, seen };
    const text = writeCursor(position);
    expect(readCursor(text)).toEqual(position);
    expect(text.length).toBeLessThan(8_000);
  });

  it.each([
    '',
    'abc',
    'MS4x',
    writeCursor({ streamId: 1, seq: 1 }).slice(0, -1),
    Buffer.from('1.1.1 ').toString('base64url'),
  ])('that was not given out is refused: %j', (text) => {
    expect(() => readCursor(text)).toThrow('Take "cursor" unchanged');
  });

  it.each([
    '2.1.1',
    '2.1.1.',
    '2.1.1.0-1',
    '2.1.1.3-0,1-0',
    '2.1.1.3-0,',
    '2.1.1.zzzzzzzzzzzzz-0',
    '1.1',
    '1.-1.1',
    '1.01.1',
    '1.9999999999.1',
    '1.1.9999999999999999',
  ])('of another form is refused: %s', (text) => {
    expect(() => readCursor(Buffer.from(text).toString('base64url'))).toThrow(ProblemError);
  });
});

describe('the query of events', () => {
  it('has defaults for everything', () => {
    expect(readEventQuery('')).toMatchObject({ limit: 1_000, after: FIRST_POSITION, possible: true });
  });

  it('cuts a limit that is too large, and reads instants in any zone', () => {
    const query = readEventQuery('limit=999999&since=2026-11-22T10:00:00%2B07:00');
    expect([query.limit, query.filter.since]).toEqual([10_000, '2026-11-22T03:00:00.000000Z']);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=', 'limit'],
    ['since=yesterday', 'since'],
    ['until=2026-11-22', 'until'],
    ['cursor=x', 'cursor'],
    ['topics=a', 'topics'],
    ['topic=a&topic=b', 'topic'],
  ])('names the parameter that is wrong: %s', (query, parameter) => {
    expect(parameterRefused(query)).toBe(parameter);
  });

  it('knows that no event has a topic that is not valid', () => {
    expect(readEventQuery('topic=a%20b').possible).toBe(false);
    expect(readEventQuery('topic=%00').possible).toBe(false);
  });

  it('leads to the next page with the same parameters', () => {
    const query = readEventQuery('topic=a.b&source=x%26y%20z&limit=5&cursor=MS4xLjE');
    const link = nextLink(query, { streamId: 1, seq: 7 }, 'https://events.example');
    const [, path] = /^<(.*)>; rel="next"$/.exec(link) ?? [];
    const next = readEventQuery(path?.split('?')[1] ?? '');
    expect(path?.startsWith('https://events.example/events?')).toBe(true);
    expect(next).toMatchObject({ filter: query.filter, limit: 5, after: { streamId: 1, seq: 7 } });
  });
});

describe('the address of an event', () => {
  it.each([
    ['/events/a.b/1', 'a.b', '1'],
    ['/events/a/x%2Fy', 'a', 'x/y'],
    ['/events/a/x/y//z/', 'a', 'x/y//z/'],
    ['/events/a/%20%C3%BC%F0%9F%98%80%20?x=1', 'a', ' ü😀 '],
    ['/events/a/100%25', 'a', '100%'],
  ])('%s', (url, topic, eventId) => {
    expect(identityOf(url)).toEqual({ topic, eventId });
  });
});

describe('the address of an event whose id cannot be part of a path', () => {
  it.each([
    ['/events/b14?event_id=..', 'b14', '..'],
    ['/events/b14?event_id=.', 'b14', '.'],
    ['/events/b14?event_id=a%20b%2Fc', 'b14', 'a b/c'],
  ])('%s', (url, topic, eventId) => {
    expect(identityInQuery(url)).toEqual({ topic, eventId });
  });

  it.each([
    '/events/b14',
    '/events/b14?',
    '/events/b14?event_id=1&event_id=2',
    '/events/%zz?event_id=1',
    '/events?event_id=1',
  ])('%s names none', (url) => {
    expect(identityInQuery(url)).toBeUndefined();
  });
});

describe('the text of an event', () => {
  it('has the payload of the store, character for character', () => {
    const event = {
      streamId: 1,
      seq: 7,
      topic: 't',
      eventId: '"',
      timestamp: 'T',
      source: 's',
      publishedAt: 'P',
      storedAt: 'S',
    };
    expect(
      eventViewText({ ...event, payload: '{"n": 12345678901234567890}' }, { duplicates_dropped: 0 }),
    ).toBe(
      '{"topic":"t","event_id":"\\"","timestamp":"T","source":"s","payload":{"n": 12345678901234567890},"seq":7,"published_at":"P","stored_at":"S","duplicates_dropped":0}',
    );
  });
});
