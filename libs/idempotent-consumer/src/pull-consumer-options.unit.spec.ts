/** All problems of the options of consumers are reported at the start, at once. */
import { describe, expect, it } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { DEFAULT_BOUNDS, type ConsumerBounds } from './bounds.js';
import { InboxNameError, inboxTables } from './postgres/inbox-tables.js';
import type { OncePerEventOptions } from './handler-options.js';
import {
  complete,
  type HandlerEntry,
  problemsWith,
  type PullConsumerOptions,
} from './pull-consumer-options.js';

/** The options without a default. Only the size of the pool matters. */
function required(max = 10): PullConsumerOptions<unknown> {
  return {
    connection: {} as NatsConnection,
    pool: { options: { max } } as Pool,
    stream: 'EVENTS',
  };
}

function handler(pattern: string, options: OncePerEventOptions = {}, count = 1): HandlerEntry {
  return { pattern, options, count };
}

function problemsOfBounds(settings: Partial<ConsumerBounds>): string[] {
  return problemsWith(complete({ ...required(), settings }), [handler('balances')]);
}

describe('options of consumers that are left out', () => {
  it('have defaults that fit together', () => {
    expect(problemsWith(complete(required()), [handler('balances')])).toEqual([]);
    expect(complete(required()).settings).toEqual(DEFAULT_BOUNDS);
    // The consumer has an inbox of its own.
    expect(complete(required()).tablesOf('balances')).toEqual(inboxTables({ consumer: 'balances' }));
  });

  it('have the upkeep of inboxes of the library, and of no other tables', () => {
    const own = complete(required());
    expect([own.keep, own.filtersOf]).toEqual([expect.any(Function), expect.any(Function)]);
    const other = complete({ ...required(), tablesOf: (consumer) => inboxTables({ consumer }) });
    expect([other.keep, other.filtersOf]).toEqual([undefined, undefined]);
  });

  it('give a handler one second more than the bound on its transaction', () => {
    const { settings } = complete({ ...required(), settings: { transactionMsMax: 8_000 } });
    expect(settings.handlerMsMax).toBe(9_000);
  });
});

describe('a wrong option of consumers', () => {
  it.each<[Partial<ConsumerBounds>, RegExp]>([
    [{ prefetch: 99 }, /^prefetch is 99, below batchSize, 100/],
    [{ prefetchBytes: 8_388_607 }, /^prefetchBytes is 8388607, below batchBytes/],
    [{ batchBytes: 1, prefetchBytes: 2_097_151 }, /^prefetchBytes is 2097151; below 2097152/],
    [{ batchSize: 0 }, /^batchSize is 0; it must be a whole number of at least 1/],
    [{ batchesInFlight: 1.5 }, /^batchesInFlight is 1.5; it must be a whole number/],
    [{ attemptsMax: 0 }, /^attemptsMax is 0/],
    [
      { isolateAfterDeliveries: -1 },
      /^isolateAfterDeliveries is -1; it must be a whole number of at least 0/,
    ],
    [{ retryDelayMs: NaN }, /^retryDelayMs is NaN/],
    [{ batchWaitMs: -1 }, /^batchWaitMs is -1/],
    [{ handlerMsMax: 0 }, /^handlerMsMax is 0/],
    [{ handlerMsMax: 9_001, transactionMsMax: 8_000 }, /^handlerMsMax is 9001, which no handler can reach/],
  ])('is reported in one sentence: %j', (settings, sentence) => {
    expect(problemsOfBounds(settings)).toEqual([expect.stringMatching(sentence)]);
  });

  it.each<[HandlerEntry[], RegExp[]]>([
    [[], [/^no method has @OncePerEvent/]],
    [[handler('a', {}, 2)], [/^2 methods have @OncePerEvent\('a'\)/]],
    [[handler('a', { onUnmatched: 'ack' })], [/^handler "a" has onUnmatched without subjects/]],
    [[handler('a', { subjects: 'x..y' })], [/^handler "a": "x\.\.y" is not a valid subject pattern/]],
    [[handler('a', { subjects: ['x.>', '>.x'] })], [/^handler "a": ">\.x" is not a valid subject pattern/]],
    [[handler('a', { subjects: [] })], [/^handler "a": subjects is empty/]],
    [[handler('a', { subjects: ['x.>', 'x.y'] })], [/^handler "a": subjects "x\.>" and "x\.y" overlap/]],
    [
      [handler('a', { subjects: ['x.*.z', 'x.y.*'] })],
      [/^handler "a": subjects "x\.\*\.z" and "x\.y\.\*" overlap/],
    ],
    [
      [handler('a', { subjects: ['x', 'x.>', 'x.*', 'y.z'] })],
      [/^handler "a": subjects "x\.>" and "x\.\*" overlap/],
    ],
    [[handler('a.b')], [/^"a\.b" cannot name a durable consumer/, /^"a\.b" cannot name an inbox/]],
  ])('is reported for these handlers: %j', (handlers, sentences) => {
    expect(problemsWith(complete(required()), handlers)).toEqual(
      sentences.map((one): unknown => expect.stringMatching(one)),
    );
  });

  it('is reported when the subject prefix has a wildcard', () => {
    const problems = (subjectPrefix: string): string[] =>
      problemsWith(complete({ ...required(), subjectPrefix }), [handler('a', { subjects: 'x.>' })]);
    expect(['events', 'eu.events'].flatMap(problems)).toEqual([]);
    expect(problems('events.>')).toEqual([expect.stringMatching(/^subjectPrefix is "events\.>"/)]);
  });

  it('is reported when two handlers share a durable consumer and an inbox', () => {
    const tables = inboxTables({ consumer: 'a' });
    const shared = { ...required(), durableOf: () => 'one', tablesOf: () => tables };
    expect(problemsWith(complete(shared), [handler('a'), handler('b')])).toEqual([
      'handlers "a" and "b" share one durable consumer, one',
      expect.stringMatching(/^handlers "a" and "b" share one inbox, "inbox"\."a_key"/),
    ]);
  });

  it('is reported with the others when no inbox can have a name', () => {
    const tablesOf = (): never => {
      throw new InboxNameError('"Event!" cannot name an inbox');
    };
    expect(problemsWith(complete({ ...required(1), tablesOf }), [handler('Event!')])).toEqual([
      expect.stringMatching(/^pool has 1/),
      '"Event!" cannot name an inbox',
    ]);
  });

  it('may be a pool that is too small for its consumers', () => {
    const three = [handler('a'), handler('b'), handler('c')];
    expect(problemsWith(complete(required(12)), three)).toEqual([]);
    expect(problemsWith(complete(required(11)), three)).toEqual([
      'pool has 11 connections; 3 consumers with batchesInFlight 2 need 12, or a slow consumer starves another one',
    ]);
  });

  it('is reported together with all others', () => {
    const options = complete({ ...required(1), settings: { prefetch: 0, attemptsMax: 0 } });
    const problems = problemsWith(options, [handler('a', { onUnmatched: 'ack' })]);
    expect(problems).toHaveLength(5);
  });
});
