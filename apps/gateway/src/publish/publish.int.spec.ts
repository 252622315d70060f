import { describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { event, problemOf, published, RunningGateway } from '../test/running-gateway.js';

async function start(
  options: Parameters<typeof createTestSystem>[0] = {},
): Promise<{ system: TestSystem; gateway: RunningGateway }> {
  const system = await createTestSystem(options);
  return { system, gateway: await RunningGateway.start(system.environment) };
}

async function bodiesIn(system: TestSystem): Promise<string[]> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { state } = await manager.streams.info(system.streamName);
  const bodies: string[] = [];
  for (let seq = 1; seq <= state.last_seq; seq++) {
    bodies.push((await manager.streams.getMessage(system.streamName, { seq }))?.string() ?? '');
  }
  return bodies;
}

describe('POST /publish', () => {
  it('takes one event, an array, and an object with events, and answers in the order sent', async () => {
    const { system, gateway } = await start();
    const answers = [
      await gateway.publish(event('1')),
      await gateway.publish([event('2'), event('1')]),
      await gateway.publish({ events: [event('3'), event('3'), event('1', { topic: 'other' })] }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([202, 202, 202]);
    const [one, two, three] = answers.map(published);
    expect(one).toEqual({
      accepted: 1,
      duplicates: 0,
      rejected: [],
      results: [{ index: 0, topic: 'orders.created', event_id: '1', status: 'accepted', seq: 1 }],
    });
    expect(two).toMatchObject({ accepted: 2, duplicates: 1 });
    expect(two?.results.map(({ status, seq }) => [status, seq])).toEqual([
      ['accepted', 2],
      ['duplicate', 1],
    ]);
    expect(three?.results.map(({ status }) => status)).toEqual(['accepted', 'duplicate', 'accepted']);
    expect(await bodiesIn(system)).toHaveLength(4);
  });

  it('stores one of 50 parallel posts of an event', async () => {
    const { system, gateway } = await start();
    const other = await RunningGateway.start(system.environment);
    const posts = Array.from({ length: 50 }, (_, n) => (n % 2 ? gateway : other).publish(event('same')));
    const answers = (await Promise.all(posts)).map(published);
    expect(answers.map((answer) => answer.accepted)).toEqual(answers.map(() => 1));
    expect(answers.reduce((sum, answer) => sum + answer.duplicates, 0)).toBe(49);
    expect(await bodiesIn(system)).toHaveLength(1);
  });

  it('refuses large requests that come faster than they are read, and takes all of the others', async () => {
    const { system, gateway } = await start();
    const padding = { text: 'x'.repeat(250) };
    const batches = Array.from({ length: 24 }, (_, n) =>
      Array.from({ length: 3_000 }, (__, m) => event(`${n}-${m}`, { payload: padding })),
    );
    const answers = await Promise.all(batches.map((batch) => gateway.publish(batch)));
    const taken = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status === 503);
    expect(taken.length + refused.length).toBe(24);
    expect(taken.length).toBeGreaterThan(0);
    // Others may have been read, and find no room in the queue for the brokers.
    const types = refused.map((answer) => problemOf(answer).type);
    expect(types).toContain('urn:sekali:problem:busy');
    expect(refused.every((answer) => answer.headers.has('retry-after'))).toBe(true);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const { state } = await manager.streams.info(system.streamName);
    expect(state.messages).toBe(taken.length * 3_000);
  });

  it('passes payloads on character for character', async () => {
    const { system, gateway } = await start();
    const payload = '{"n":12345678901234567890,"huge":1e300,"__proto__":{"x":[1.10]},"s":"\\u00e9\\n ü"}';
    const text = JSON.stringify(event('1')).replace('{"amount":1}', payload);
    expect((await gateway.publish(text)).status).toBe(202);
    expect((await bodiesIn(system))[0]).toContain(`"payload":${payload}}`);
  });

  it('takes a byte order mark before the JSON, and hands on the event without it', async () => {
    const { system, gateway } = await start();
    for (const body of [event('1'), [event('2')], { events: [event('3')] }])
      expect((await gateway.publish(`\ufeff${JSON.stringify(body)}`)).status).toBe(202);
    const bodies = await bodiesIn(system);
    expect(bodies.map((body) => (JSON.parse(body) as { event_id: string }).event_id)).toEqual([
      '1',
      '2',
      '3',
    ]);
    expect((await gateway.publish(`\ufeff\ufeff${JSON.stringify(event('4'))}`)).status).toBe(400);
  });

  it('keeps ids apart that differ only in spaces, and takes them in any script', async () => {
    const { system, gateway } = await start();
    const ids = ['a', ' a', 'a ', 'a/b', '../a', 'ü😀', '100%', '"', "'"];
    const answer = published(await gateway.publish(ids.map((id) => event(id))));
    expect(answer).toMatchObject({ accepted: ids.length, duplicates: 0 });
    const stored = (await bodiesIn(system)).map(
      (body) => (JSON.parse(body) as { event_id: string }).event_id,
    );
    expect(stored.sort()).toEqual([...ids].sort());
  });

  it('refuses a request with an invalid event as a whole, and names each', async () => {
    const { system, gateway } = await start();
    const answer = await gateway.publish([event('1'), event('2', { topic: '' }), 3, event('4')]);
    const problem = problemOf(answer);
    expect(problem).toMatchObject({ status: 422, accepted: 0, duplicates: 0 });
    expect(problem['rejected']).toEqual([
      expect.objectContaining({ index: 1, event_id: '2', status: 'invalid' }),
      expect.objectContaining({ index: 2, status: 'invalid' }),
    ]);
    expect(await bodiesIn(system)).toEqual([]);
  });

  it('publishes the valid events of a request that prefers lenient handling', async () => {
    const { system, gateway } = await start();
    const prefer = { prefer: 'handling=lenient' };
    const answer = await gateway.publish([event('1'), { topic: 'x' }, event('2')], prefer);
    expect(answer.status).toBe(202);
    expect(answer.headers.get('preference-applied')).toBe('handling=lenient');
    const body = published(answer);
    expect(body.results.map(({ index, status }) => [index, status])).toEqual([
      [0, 'accepted'],
      [1, 'invalid'],
      [2, 'accepted'],
    ]);
    expect(body.rejected).toEqual([body.results[1]]);
    expect(problemOf(await gateway.publish([{ topic: 'x' }], prefer)).status).toBe(422);
    expect(await bodiesIn(system)).toHaveLength(2);
  });

  it('answers what it cannot take with the status that says why', async () => {
    const { gateway } = await start({
      settings: { SEKALI_BODY_BYTES_MAX: '50000', SEKALI_EVENT_BYTES_MAX: '2000' },
    });
    const tries: [number, Promise<Awaited<ReturnType<RunningGateway['publish']>>>][] = [
      [400, gateway.publish('{"topic":')],
      [400, gateway.publish('')],
      [413, gateway.publish(' '.repeat(50_001))],
      [413, gateway.publish(Array.from({ length: 10_001 }, () => 1))],
      [415, gateway.publish(event('1'), { 'content-type': 'text/plain' })],
      [415, gateway.publish(event('1'), { 'content-encoding': 'compress' })],
      [415, gateway.get('/publish', { method: 'POST' })],
      [422, gateway.publish([])],
      [422, gateway.publish({ events: [] })],
      [422, gateway.publish('"text"')],
      [422, gateway.publish(event('1', { payload: { x: 'y'.repeat(2_000) } }))],
      [405, gateway.get('/publish')],
      [405, gateway.get('/publish', { method: 'PUT', body: 'x' })],
    ];
    for (const [status, answer] of tries) expect([problemOf(await answer).status]).toEqual([status]);
    const latin1 = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    const headers = { 'content-type': 'application/json' };
    expect(problemOf(await gateway.get('/publish', { method: 'POST', headers, body: latin1 })).status).toBe(
      400,
    );
  });

  it('refuses at once what does not fit into the queue, and publishes nothing of it', async () => {
    const bounds = { SEKALI_PUBLISH_IN_FLIGHT_MAX: '2', SEKALI_PUBLISH_WAITING_MAX: '10' };
    const { system, gateway } = await start({ settings: bounds });
    const tooMany = await gateway.publish(Array.from({ length: 13 }, (_, n) => event(String(n))));
    expect(problemOf(tooMany).status).toBe(413);
    const batches = Array.from({ length: 8 }, (_, n) =>
      gateway.publish(Array.from({ length: 12 }, (__, m) => event(`${n}-${m}`))),
    );
    const answers = await Promise.all(batches);
    const refused = answers.filter((answer) => answer.status !== 202);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) {
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(problemOf(answer)).toMatchObject({ status: 503, accepted: 0 });
    }
    expect(await bodiesIn(system)).toHaveLength(12 * (answers.length - refused.length));
  });

  it('says 503 with the truth about each event when the stream is full, and goes on when there is room', async () => {
    const { system, gateway } = await start({ streamBytesMax: 100_000 });
    const batch = Array.from({ length: 30 }, (_, n) =>
      event(String(n), { payload: { x: 'y'.repeat(8_000) } }),
    );
    const answer = await gateway.publish(batch);
    expect(answer.headers.get('retry-after')).toBe('10');
    expect(problemOf(answer).status).toBe(503);
    const { accepted, results } = published(answer);
    const kept = results.filter((result) => result.status === 'accepted');
    expect(kept).toHaveLength(accepted);
    expect(results).toHaveLength(30);
    expect(await bodiesIn(system)).toHaveLength(accepted);

    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    await manager.streams.update(system.streamName, { max_bytes: 2_000_000 });
    const again = await waitFor(
      async () => {
        const repeated = await gateway.publish(batch);
        return repeated.status === 202 && published(repeated);
      },
      { timeoutMs: 10_000, describe: 'the batch to be taken' },
    );
    expect(again.accepted).toBe(30);
    expect(await bodiesIn(system)).toHaveLength(30);
  });
});
