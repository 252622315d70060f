/** Promises of the brokers leave one mark for each interval. An outage loses none, and their number is bounded. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Queryable } from '#postgres';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { PromiseMarks, type PromiseMarksOptions } from './promise-marks.js';

let system: TestSystem;
const opened: PromiseMarks[] = [];

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
});

afterAll(async () => {
  await system.dispose();
});

afterEach(async () => {
  for (const marks of opened.splice(0)) marks.stop();
  await system.pool.query('DELETE FROM sekali.promise');
});

function open(options: Partial<PromiseMarksOptions> = {}, database: Queryable = system.pool): PromiseMarks {
  const marks = new PromiseMarks(database, { stream: 'S', ...options });
  opened.push(marks);
  return marks;
}

async function rows(): Promise<unknown[]> {
  const { rows: found } = await system.pool.query<object>(
    `SELECT number::int, stream, seq::int, topic, event_id FROM sekali.promise ORDER BY number`,
  );
  return found;
}

const event = (eventId: string): { topic: string; eventId: string } => ({ topic: 't', eventId });
const row = (number: number, seq: number): object => ({
  number,
  stream: 'S',
  seq,
  topic: 't',
  event_id: `e${seq}`,
});

/** A database that refuses all statements until a test changes that. */
class Away implements Queryable {
  isAway = true;
  query: Queryable['query'] = (text: string, values?: unknown[]) =>
    this.isAway ? Promise.reject(new Error('away')) : system.pool.query(text, values);
}

describe('marks of promises', () => {
  it('have the highest sequence of each interval, in whatever order sequences are noted', async () => {
    const marks = open({ writeEveryMs: 3_600_000 });
    for (const seq of [5, 7, 6]) marks.note(event(`e${seq}`), seq);
    await marks.flush();
    // A recreated stream has low sequences.
    marks.note(event('e2'), 2);
    await marks.flush();
    await marks.flush();
    expect(await rows()).toEqual([row(1, 7), row(2, 2)]);
  });

  it('are written by a timer', async () => {
    open({ writeEveryMs: 10 }).note(event('e1'), 1);
    await waitFor(async () => (await rows()).length === 1, { timeoutMs: 10_000, describe: 'the mark' });
  });

  it('wait while the database refuses them, and every second one is dropped when they are too many', async () => {
    const away = new Away();
    const errors: unknown[] = [];
    const marks = open(
      { writeEveryMs: 3_600_000, waitingMax: 4, onError: (error) => errors.push(error) },
      away,
    );
    for (let seq = 1; seq <= 6; seq++) {
      marks.note(event(`e${seq}`), seq);
      await expect(marks.flush()).rejects.toThrow('away');
    }
    expect(errors).toHaveLength(6);
    away.isAway = false;
    await marks.flush();
    // With mark 5 there was one too many, and 1, 3 and 5 stayed. The newest always stays.
    expect(await rows()).toEqual([row(1, 1), row(3, 3), row(5, 5), row(6, 6)]);
  });
});
