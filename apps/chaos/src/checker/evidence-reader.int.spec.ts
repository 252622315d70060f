/** Reads a real stream, real tables and a real gateway: the checker must receive exactly what is there. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { type App, createTestSystem, startApp, type TestSystem, waitFor } from '#testing';
import type { Operation } from '../history/operation.js';
import { amountOf, type Poison } from '../workload/message.js';
import { Checker } from './checker.js';
import { type DrainResult, untilDrained } from './drain.js';
import { readDatabase } from './evidence-reader.js';
import { readFigures } from './figures-reader.js';
import { readStream, readStreamState } from './stream-reader.js';
import type { Verdict } from './verdict.js';

const PREFIX = 'chaos-7.';
const CONSUMERS = ['store', 'accounts'];

let system: TestSystem;
let gateway: App;
const history: Operation[] = [];

beforeAll(async () => {
  system = await createTestSystem();
  const [, started] = await Promise.all([
    startApp('worker', system.environment, { program: 'judged/judged-worker.js' }),
    startApp('gateway', system.environment),
  ]);
  gateway = started;
  await Promise.all(Array.from({ length: 300 }, (_, n) => publish({ id: `e${n}` })));
  await Promise.all(Array.from({ length: 50 }, (_, n) => publish({ id: `e${n}`, messageId: false })));
  await Promise.all(
    Array.from({ length: 20 }, (_, n) => publish({ id: `e${n}`, variant: 1, messageId: false })),
  );
  await publish({ id: 'e0' });
  await publish({ id: ' white space ' });
  for (const poison of ['not_json', 'wrong_subject', 'nul', 'too_large', 'missing_field'] as const)
    await publish({ id: `p-${poison}`, poison });
  // An event of another user, which the judge must ignore.
  await jetstream(system.connection).publish(`${system.subjectPrefix}.other`, '{}');
});

afterAll(async () => {
  await system.dispose();
});

interface Sent {
  readonly id: string;
  readonly variant?: number;
  readonly poison?: Poison;
  /** False for a message that the duplicate window does not know. */
  readonly messageId?: boolean;
}

async function publish({ id, variant = 0, poison, messageId = true }: Sent): Promise<void> {
  const topic = `${PREFIX}orders`;
  const op = history.length + 1;
  history.push({
    ...{
      type: 'invoke',
      op,
      atMs: op,
      producer: 'test',
      via: 'nats',
      messages: [[topic, id, variant, poison ?? null]],
    },
  });
  const name = id.trim() === id ? `${topic}:${id}` : `${topic};${Buffer.from(id).toString('base64url')}`;
  const ack = await jetstream(system.connection).publish(
    `${system.subjectPrefix}.${topic}`,
    bodyOf(topic, id, variant, poison),
    messageId ? { msgID: name } : {},
  );
  history.push({ type: 'ok', op, atMs: op + 1, messages: [['ok', ack.seq, ack.duplicate ? 1 : 0]] });
}

function bodyOf(topic: string, id: string, variant: number, poison: Poison | undefined): string {
  const filler = poison === 'nul' ? '\u0000' : 'x'.repeat(poison === 'too_large' ? 300_000 : 100);
  const text = JSON.stringify({
    ...(poison === 'wrong_subject' ? { topic: 'elsewhere' } : {}),
    event_id: id,
    ...(poison === 'missing_field' ? {} : { timestamp: '2026-11-22T10:00:00Z' }),
    source: 'test',
    payload: { amount: amountOf(topic, id), variant, filler },
  });
  return poison === 'not_json' ? text.slice(0, 60) : text;
}

async function drained(): Promise<DrainResult> {
  return untilDrained(
    {
      brokers: system.connection,
      stream: system.streamName,
      consumers: CONSUMERS,
      postgresUrl: system.postgresUrl,
    },
    { timeoutMs: 40_000, quietMs: 1_000 },
  );
}

async function verdict(postgresUrl = system.postgresUrl): Promise<Verdict> {
  const { brokers, stream } = { brokers: system.connection, stream: system.streamName };
  const { firstSeq, lastSeq } = await readStreamState(brokers, stream);
  const checker = new Checker({
    ...{ firstSeq: 1, lastSeq, streamFirstSeq: firstSeq, alone: false, drained: true, accounting: true },
  });
  for (const line of history) checker.operation(line);
  const { subjectPrefix } = system;
  await readStream({ brokers, stream, subjectPrefix, topicPrefix: PREFIX, firstSeq: 1, lastSeq }, checker);
  await readDatabase(
    { postgresUrl, stream, topicPrefix: PREFIX, accounting: true, timeoutMs: 2_000 },
    checker,
  );
  await readFigures([{ name: 'gateway-1', url: gateway.url }], checker);
  return checker.verdict();
}

describe('the evidence of a real system', () => {
  it('is drained, and its verdict is true', async () => {
    expect(await drained()).toMatchObject({ drained: true });
    expect(await verdict()).toEqual({
      valid: true,
      violations: [],
      unknowns: [],
      tally: expect.objectContaining({
        ...{ sent: 377, ok: 377, acknowledged: 301, stored: 301, duplicates: 70, conflicts: 20 },
        ...{ deadLetters: 5, poison: 5 },
      }) as unknown,
    });
  });

  it('is read to its end, in bounded pages, from wherever the stream begins', async () => {
    const { lastSeq } = await readStreamState(system.connection, system.streamName);
    const seqs: number[] = [];
    const take = {
      streamMessage: ({ seq }: { seq: number }) => void seqs.push(seq),
      unreadable: (_: string, why: string) => {
        throw new Error(why);
      },
    };
    const scope = {
      brokers: system.connection,
      stream: system.streamName,
      subjectPrefix: system.subjectPrefix,
    };
    await readStream({ ...scope, topicPrefix: '', firstSeq: 5, lastSeq: lastSeq - 3 }, take);
    expect(seqs).toEqual(Array.from({ length: lastSeq - 7 }, (_, n) => n + 5));
    seqs.length = 0;
    await readStream({ ...scope, topicPrefix: '', firstSeq: lastSeq + 1, lastSeq: lastSeq + 9 }, take);
    expect(seqs).toEqual([]);
  });

  it('is unknown when Postgres cannot be reached', async () => {
    const result = await verdict('postgres://unknown@127.0.0.1:1/none');
    expect(result).toMatchObject({ valid: 'unknown', unknowns: [expect.stringContaining('database')] });
  });

  it('shows a deleted event as lost', async () => {
    await system.pool.query(`DELETE FROM sekali.event WHERE event_id = 'e7'`);
    const { valid, violations } = await verdict();
    expect(valid).toBe(false);
    expect(violations.map(({ name, count }) => [name, count])).toEqual([
      ['lost', 1],
      ['counters_differ', 1],
      ['key_without_event', 1],
    ]);
  });

  it('shows an event that was written again by another transaction', async () => {
    await system.pool.query(`UPDATE sekali.event SET source = source WHERE event_id = 'e9'`);
    const { violations } = await verdict();
    expect(violations).toContainEqual(
      expect.objectContaining({ name: 'committed_apart', examples: [expect.stringContaining('orders e9')] }),
    );
  });

  it('is never drained while a consumer has something left', async () => {
    await system.pool.query('ALTER TABLE sekali.event_key RENAME TO hidden');
    await jetstream(system.connection).publish(`${system.subjectPrefix}.other`, '{}');
    const result = await untilDrained(
      {
        brokers: system.connection,
        stream: system.streamName,
        consumers: ['store'],
        postgresUrl: system.postgresUrl,
      },
      { timeoutMs: 1_500, quietMs: 500 },
    );
    expect(result).toMatchObject({ drained: false, at: null });
    expect(result.seen).toMatch(/store has \d+ to deliver and \d+ to acknowledge/);
    await system.pool.query('ALTER TABLE sekali.hidden RENAME TO event_key');
    await waitFor(async () => (await drained()).drained, { timeoutMs: 40_000, describe: 'the drain' });
  });
});
