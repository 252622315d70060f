/** What a gateway does with its records at the hour, and that it ends with it. */
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Queryable } from '#store';
import { PublishRecord } from './publish-record.js';

const HOUR_MS = 3_600_000;

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

it('adds up what ended gateways counted, once an hour, also after a failure, and not after the end', async () => {
  const statements: string[] = [];
  const database = {
    query: (text: string) => {
      statements.push(text);
      return statements.length === 1
        ? Promise.reject(new Error('no connection'))
        : Promise.resolve({ rows: [{ gateways: 0 }] });
    },
  } as unknown as Queryable;
  const warnings: unknown[] = [];
  const record = new PublishRecord(database, 'EVENTS', {
    warn: (...given: unknown[]) => warnings.push(given),
  });
  await jest.advanceTimersByTimeAsync(3 * HOUR_MS);
  expect(statements.filter((text) => text.includes('DELETE FROM sekali.broker_duplicate'))).toHaveLength(3);
  expect(warnings).toHaveLength(1);
  record.stop();
  await jest.advanceTimersByTimeAsync(2 * HOUR_MS);
  expect(statements).toHaveLength(3);
});
