/** `Prefer: wait`: the answer says what became of each event, once a worker has decided. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { PublishResult } from '#contracts';
import { createTestSystem, startApp, type TestSystem, waitFor } from '#testing';
import type { OpenApiDocument } from '../description/openapi.js';
import { DescribedAnswers } from '../test/described/described-answers.js';
import { DescribedSchemas } from '../test/described/described-schemas.js';
import { type Answered, event, published, RunningGateway } from '../test/running-gateway.js';

/** Longer than any worker takes here, so an answer with 200 did not wait for the end of it. */
const LONG = { prefer: 'wait=30' };
const SHORT = { prefer: 'wait=1' };
const other = { payload: { amount: 2 } };
let system: TestSystem;
let gateway: RunningGateway;
let described: DescribedAnswers;

beforeAll(async () => {
  system = await createTestSystem({ settings: { SEKALI_STORED_TOPICS_MAX: '2' } });
  gateway = await RunningGateway.start(system.environment);
  const document = JSON.parse((await gateway.get('/openapi.json')).text) as OpenApiDocument;
  described = new DescribedAnswers(document, new DescribedSchemas(document));
});

function outcomesOf(answered: Answered, url = '/publish'): unknown[] {
  expectDescribed(url, answered);
  return published(answered).results.map(({ status, outcome, first_seq }: PublishResult) =>
    [status, outcome, first_seq].filter((one) => one !== undefined),
  );
}

/** An answer has the form of its description. */
function expectDescribed(url: string, answered: Answered): void {
  const found = described.error({ method: 'POST', url }, answered);
  expect([url, answered.status, found]).toEqual([url, answered.status, undefined]);
}

describe('before a worker has decided', () => {
  it('is 202 with pending outcomes when the time is up, also for a repeat that the brokers dropped', async () => {
    const first = await gateway.publish([event('early'), event('early')], SHORT);
    expect(first.status).toBe(202);
    expect(first.headers.get('preference-applied')).toBe('wait=1');
    expect(outcomesOf(first)).toEqual([
      ['accepted', 'pending'],
      ['duplicate', 'pending'],
    ]);
    expect(published(first).outcomes).toEqual({
      stored: 0,
      duplicate: 0,
      conflict: 0,
      dead_letter: 0,
      pending: 2,
    });
  });

  it('is answered at once when the gateway stops', async () => {
    const stopping = await RunningGateway.start(system.environment);
    const waiting = stopping.publish(event('stopped'), LONG);
    await waitFor(async () => (await streamLength()) === 2, {
      timeoutMs: 10_000,
      describe: 'the event to be in the stream',
    });
    await stopping.gateway.stop();
    const answer = await waiting;
    expect([answer.status, outcomesOf(answer)]).toEqual([202, [['accepted', 'pending']]]);
  });
});

describe('with a worker', () => {
  beforeAll(async () => {
    await startApp('worker', system.environment);
  });

  it('is 200 with stored, and with the sequence of which a repeat is a duplicate', async () => {
    const answer = await gateway.publish([event('early'), event('new')], LONG);
    expect(answer.status).toBe(200);
    expect(outcomesOf(answer)).toEqual([
      ['duplicate', 'duplicate', 1],
      ['accepted', 'stored'],
    ]);
    const { rows } = await system.pool.query('SELECT FROM sekali.event WHERE event_id = $1', ['new']);
    expect(rows).toHaveLength(1);
  });

  it('finds a conflict, at the first publish and when the brokers drop its repeat', async () => {
    for (const status of ['accepted', 'duplicate'])
      expect(outcomesOf(await gateway.publish(event('early', other), LONG))).toEqual([
        [status, 'conflict', 1],
      ]);
    const both = await gateway.publish([event('both'), event('both', other), event('both')], LONG);
    const [{ seq } = {}] = published(both).results;
    expect(outcomesOf(both)).toEqual([
      ['accepted', 'stored'],
      ['accepted', 'conflict', seq],
      ['duplicate', 'duplicate', seq],
    ]);
    expect(published(both).outcomes).toMatchObject({ stored: 1, duplicate: 1, conflict: 1, pending: 0 });
  });

  it('finds a duplicate that another producer sent under a message id of its own', async () => {
    const body = JSON.stringify(event('direct'));
    const ack = await system.connection.request(`${system.subjectPrefix}.orders.created`, body, {
      timeout: 10_000,
    });
    const { seq } = ack.json<{ seq: number }>();
    expect(outcomesOf(await gateway.publish(event('direct'), LONG))).toEqual([
      ['accepted', 'duplicate', seq],
    ]);
  });

  it('names the reason of a dead letter', async () => {
    for (const topic of ['a.second', 'one.too.many']) await gateway.publish(event('x', { topic }), LONG);
    const answer = await gateway.publish(event('y', { topic: 'one.too.many' }), LONG);
    expect(answer.status).toBe(200);
    expectDescribed('/publish', answer);
    expect(published(answer).results).toMatchObject([
      { status: 'accepted', outcome: 'dead_letter', reason: 'too_many_topics' },
    ]);
  });

  it('waits with lenient handling for the valid ones, and for CloudEvents', async () => {
    const lenient = await gateway.publish([event('lenient'), event('')], {
      prefer: 'handling=lenient, wait=30',
    });
    expect(lenient.headers.get('preference-applied')).toBe('handling=lenient, wait=30');
    expect([lenient.status, outcomesOf(lenient)]).toEqual([200, [['accepted', 'stored'], ['invalid']]]);
    const cloudEvent = { specversion: '1.0', id: '1', source: '/s', type: 'orders.created' };
    const answer = await gateway.get('/cloudevents', {
      method: 'POST',
      headers: { ...LONG, 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(cloudEvent),
    });
    expect([answer.status, outcomesOf(answer, '/cloudevents')]).toEqual([200, [['accepted', 'stored']]]);
  });

  it('waits for lines', async () => {
    const lines = [event('line'), event(''), event('line'), event('early', other)];
    const answer = await gateway.publish(lines.map((line) => JSON.stringify(line)).join('\n'), {
      ...LONG,
      'content-type': 'application/x-ndjson',
    });
    const [{ seq } = {}] = published(answer).results;
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, 'wait=30']);
    expect(outcomesOf(answer)).toEqual([
      ['accepted', 'stored'],
      ['invalid'],
      ['duplicate', 'duplicate', seq],
      ['duplicate', 'conflict', 1],
    ]);
    expect(JSON.parse(answer.text)).toMatchObject({
      lines: 4,
      invalid: 1,
      outcomes: { stored: 1, pending: 0 },
    });
  });

  it('does not wait for lines whose results are not all in the answer', async () => {
    const lines = Array.from({ length: 12_000 }, (_, n) => JSON.stringify(event(`unlisted-${n}`)));
    const answer = await gateway.publish(lines.join('\n'), {
      ...LONG,
      'content-type': 'application/x-ndjson',
    });
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, null]);
    expect(JSON.parse(answer.text)).toMatchObject({ accepted: 12_000, lines: 12_000 });
    expect(published(answer).outcomes).toBeUndefined();
  });

  it('answers a large batch whole', async () => {
    const many = Array.from({ length: 3_000 }, (_, n) => event(`many-${n}`));
    const answer = await gateway.publish(many, LONG);
    expect([answer.status, published(answer).outcomes]).toMatchObject([200, { stored: 3_000, pending: 0 }]);
  });

  it('is 202 when the time is up and Postgres does not answer', async () => {
    const client = await system.pool.connect();
    try {
      await client.query('BEGIN; LOCK TABLE sekali.dead_letter IN ACCESS EXCLUSIVE MODE');
      const answer = await gateway.publish(event('locked'), SHORT);
      expect([answer.status, outcomesOf(answer)]).toEqual([202, [['accepted', 'pending']]]);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    expect(outcomesOf(await gateway.publish(event('unlocked'), LONG))).toEqual([['accepted', 'stored']]);
  });

  it('changes nothing for a client that does not ask', async () => {
    const answer = await gateway.publish(event('plain'));
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, null]);
    expect(Object.keys(published(answer))).toEqual(['accepted', 'duplicates', 'rejected', 'results']);
    expect(outcomesOf(answer)).toEqual([['accepted']]);
  });
});

async function streamLength(): Promise<number> {
  const answer = await system.connection.request(`$JS.API.STREAM.INFO.${system.streamName}`);
  return answer.json<{ state: { messages: number } }>().state.messages;
}
