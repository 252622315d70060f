/** Replays and drops over HTTP, against real brokers. The steps of a consumer are those of the test. */
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream';
import type { DeadLetterBulkResult, DeadLetterDetail, DeadLetterResult } from '#contracts';
import { type Client, DeadLetterFixture, lettersOf } from '../test/dead-letter-fixture.js';
import { problemOf, type Answered } from '../test/running-gateway.js';

const EVENT = {
  topic: 'orders',
  event_id: 'e-1',
  timestamp: '2026-11-22T10:00:00Z',
  source: 'checkout',
  payload: { total: 12.5 },
};
const BODY = JSON.stringify(EVENT);
/** The event without what the subject and the header say. */
const SHORT = '{"timestamp":"2026-11-22T10:00:00Z","source":"checkout","payload":{"n":12345678901234567890}}';

let fixture: DeadLetterFixture;
let manager: JetStreamManager;
let operator: Client;
/** Each test has dead letters of its own sequences, because the brokers remember message ids. */
let seq = 1_000_000;

beforeAll(async () => {
  fixture = await DeadLetterFixture.start({ name: 'ops' }, { name: 'bound', topics: ['a.>'] });
  manager = await jetstreamManager(fixture.system.connection, { checkAPI: false });
  operator = fixture.client('ops');
});
beforeEach(async () => {
  await fixture.system.pool.query('TRUNCATE sekali.dead_letter, sekali.dead_letter_action, sekali.event_key');
  seq += 1_000;
});

const path = (of: number, action: 'replay' | 'drop'): string => `/dead-letters/${fixture.idOf(of)}/${action}`;
const replay = (order: unknown = {}, of = seq): Promise<Answered> => operator(path(of, 'replay'), order);
const drop = (order: unknown, of = seq): Promise<Answered> => operator(path(of, 'drop'), order);
const resultOf = (answer: Answered): DeadLetterResult => JSON.parse(answer.text) as DeadLetterResult;
const bulkOf = (answer: Answered): DeadLetterBulkResult => JSON.parse(answer.text) as DeadLetterBulkResult;

async function shown(of = seq): Promise<DeadLetterDetail> {
  return JSON.parse((await operator(`/dead-letters/${fixture.idOf(of)}`)).text) as DeadLetterDetail;
}

async function messages(): Promise<number> {
  return (await manager.streams.info(fixture.system.streamName)).state.messages;
}

async function message(of: number | undefined): Promise<StoredMsg> {
  const stored = await manager.streams.getMessage(fixture.system.streamName, { seq: of ?? 0 });
  if (stored === null) throw new Error(`the stream has no message ${of ?? ''}`);
  return stored;
}

/** Does what a consumer does that gives a message of the stream up. */
async function failAgain(of: number | undefined): Promise<void> {
  const { header } = await message(of);
  const headers = { 'Sekali-Replay': header.values('Sekali-Replay') };
  await fixture.giveUp({ seq: of ?? 0, headers, reason: 'handler', detail: 'again', body: BODY });
}

describe('a replay', () => {
  it('publishes the message byte for byte under a fresh id, with its own headers', async () => {
    const headers = { 'Nats-Msg-Id': ['orders:e-1'], 'Sekali-Submission': ['x'], traceparent: ['00-1-2-01'] };
    const body = `${BODY.slice(0, -1)} }`;
    await fixture.giveUp({ seq, body, headers, eventId: 'e-1' });
    const answer = await replay({ reason: 'the handler was mended' });
    expect(answer.status).toBe(202);
    const result = resultOf(answer);
    expect(result).toMatchObject({ status: 'published', number: 1 });
    const published = await message(result.seq);
    expect([published.string(), published.subject]).toEqual([body, `${fixture.system.subjectPrefix}.orders`]);
    expect(published.header.get('Nats-Msg-Id')).toMatch(/^replay:[0-9a-f-]{36}$/);
    expect(published.header.get('traceparent')).toBe('00-1-2-01');
    expect(published.header.has('Sekali-Submission')).toBe(false);
    expect(await shown()).toMatchObject({
      state: 'replaying',
      history: [{ by: 'ops', reason: 'the handler was mended', became: 'in_flight', mended: false }],
    });
  });

  it('puts an id that stood in the header into the body, and keeps every digit', async () => {
    await fixture.giveUp({ seq, body: SHORT, headers: { 'Nats-Msg-Id': ['orders:e-9'] }, eventId: 'e-9' });
    const published = await message(resultOf(await replay()).seq);
    expect(published.string()).toContain('"event_id":"e-9"');
    expect(published.string()).toContain('12345678901234567890');
  });

  it('needs no body, and publishes once when it is clicked twice', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    const before = await messages();
    const answers = await Promise.all([replay(''), replay('')]);
    expect(new Set(answers.map((answer) => resultOf(answer).seq)).size).toBe(1);
    expect(await messages()).toBe(before + 1);
  });

  it('publishes once, by whichever of 20 clients, and whatever is clicked twice', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    const before = await messages();
    const answers = await Promise.all(Array.from({ length: 20 }, () => replay()));
    expect(new Set(answers.map((answer) => resultOf(answer).seq)).size).toBe(1);
    expect(resultOf(await replay())).toMatchObject({ status: 'in_flight', number: 1 });
    expect(await messages()).toBe(before + 1);
    expect(await shown()).toMatchObject({ actions: 1 });
  });

  it('goes on after a crash between publish and note, and publishes no second message', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    const first = resultOf(await replay());
    const before = await messages();
    await fixture.system.pool.query('UPDATE sekali.dead_letter_action SET replay_seq = NULL');
    expect(await shown()).toMatchObject({ state: 'replaying', history: [{ became: null }] });
    expect(resultOf(await replay())).toEqual(first);
    // The same holds when the consumer has given the replay up meanwhile.
    await failAgain(first.seq);
    await fixture.system.pool.query('UPDATE sekali.dead_letter_action SET replay_seq = NULL');
    expect(resultOf(await replay())).toEqual(first);
    expect(await messages()).toBe(before);
  });

  it('that fails again is the same dead letter with its count, and can be replayed again', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    const first = resultOf(await replay());
    await failAgain(first.seq);
    const [letter, ...others] = lettersOf(await operator('/dead-letters'));
    expect([letter, others]).toEqual([
      expect.objectContaining({ id: fixture.idOf(seq), state: 'open', actions: 1 }),
      [],
    ]);
    const second = resultOf(await replay());
    expect(second).toMatchObject({ status: 'published', number: 2 });
    expect(second.seq).not.toBe(first.seq);
    expect((await shown()).history).toEqual([
      expect.objectContaining({ became: 'dead_letter', failure: { reason: 'handler', detail: 'again' } }),
      expect.objectContaining({ became: 'in_flight', failure: null }),
    ]);
  });

  it('that took effect is not repeated', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    const { seq: at } = resultOf(await replay());
    await fixture.system.pool.query(
      `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('orders', 'e-1', $1, $2, 0)`,
      [fixture.streamId, at],
    );
    const before = await messages();
    for (const order of [{}, { force: true }]) {
      const answer = await replay(order);
      expect([answer.status, resultOf(answer)]).toEqual([
        200,
        { id: fixture.idOf(seq), status: 'stored', number: 1, seq: at },
      ]);
    }
    expect(await messages()).toBe(before);
    expect(problemOf(await drop({ reason: 'no' })).status).toBe(409);
  });

  it('is 503 while the brokers do not take it, and goes on with the same event afterwards', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    const { streamName: name } = fixture.system;
    const { config } = await manager.streams.info(name);
    await manager.streams.update(name, { ...config, max_bytes: 10 });
    const mended = { event: { ...EVENT, payload: { total: 1 } } };
    const refused = await replay(mended);
    await manager.streams.update(name, config);
    expect(problemOf(refused)).toMatchObject({ status: 503, reason: 'stream_full' });
    expect(problemOf(await replay({ event: { ...EVENT, payload: { total: 2 } } })).status).toBe(409);
    expect((await message(resultOf(await replay()).seq)).string()).toContain('"total":1');
    expect(await shown()).toMatchObject({ actions: 1, history: [{ mended: true }] });
  });
});

describe('a replay that is larger than the brokers take', () => {
  it('is refused for ever, so that no client repeats it', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    const { streamName: name } = fixture.system;
    const { config } = await manager.streams.info(name);
    await manager.streams.update(name, { ...config, max_msg_size: 10 });
    const refused = await replay();
    await manager.streams.update(name, config);
    expect(refused.headers.get('retry-after')).toBeNull();
    expect(problemOf(refused)).toMatchObject({ status: 413, type: 'urn:sekali:problem:too-large' });
  });
});

describe('a mended event', () => {
  it.each([
    ['without topic and id', { ...EVENT, topic: undefined, event_id: undefined }],
    ['whole', EVENT],
  ])('takes the place of a message that is not JSON: %s', async (_what, event) => {
    await fixture.giveUp({ seq, body: '{', eventId: null, headers: { 'Nats-Msg-Id': ['orders:e-1'] } });
    expect(problemOf(await replay())).toMatchObject({
      status: 422,
      type: 'urn:sekali:problem:not-replayable',
      detail: expect.stringContaining('not_json') as unknown,
    });
    const published = await message(resultOf(await replay({ event })).seq);
    expect(JSON.parse(published.string())).toMatchObject({
      ...EVENT,
      timestamp: expect.any(String) as unknown,
    });
  });

  it('may be given as text, keeps its digits, and may name the right topic', async () => {
    const subject = `${fixture.system.subjectPrefix}.b`;
    await fixture.giveUp({
      seq,
      topic: 'b',
      subject,
      body: BODY,
      eventId: 'e-1',
      reason: 'subject_mismatch',
    });
    const text = `{"reason":"x","event":${BODY.replace('12.5', '0.10000000000000000000001')}}`;
    const published = await message(resultOf(await operator(path(seq, 'replay'), text)).seq);
    expect(published.subject).toBe(`${fixture.system.subjectPrefix}.orders`);
    expect(published.string()).toContain('0.10000000000000000000001');
  });

  it.each([
    ['another id', { event: { ...EVENT, event_id: 'other' } }, 'keeps the event id'],
    ['an invalid event', { event: { ...EVENT, source: '' } }, 'source'],
    ['a text that is not JSON', { body: '{' }, 'not valid'],
    ['two bodies', { body: BODY, event: EVENT }, 'either'],
    ['a body that is not a text', { body: 5 }, '"body" must be a text'],
    ['an unknown member', { events: [] }, '"events" is not a member'],
    ['a reason with a line break', { reason: 'a\nb' }, '"reason" must be'],
    ['an array', [], 'must be a JSON object'],
  ])('is refused with %s', async (_what, order, detail) => {
    await fixture.giveUp({ seq, body: '{', eventId: 'e-1' });
    const before = await messages();
    expect(problemOf(await replay(order))).toMatchObject({
      status: 422,
      detail: expect.stringContaining(detail) as unknown,
    });
    expect(await messages()).toBe(before);
    expect(await shown()).toMatchObject({ actions: 0 });
  });
});

describe('a drop', () => {
  it('keeps the reason and who gave it, and ends the dead letter', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    expect(problemOf(await drop({})).status).toBe(422);
    expect(resultOf(await drop({ reason: 'a test of the sender' }))).toMatchObject({
      status: 'dropped',
      number: 1,
    });
    expect(resultOf(await drop({ reason: 'again' }))).toMatchObject({ status: 'dropped', number: 1 });
    expect(lettersOf(await operator('/dead-letters'))).toEqual([]);
    expect(await shown()).toMatchObject({
      state: 'dropped',
      history: [{ kind: 'drop', by: 'ops', reason: 'a test of the sender' }],
    });
    expect(problemOf(await replay()).detail).toContain('dropped by ops (a test of the sender)');
    expect(resultOf(await replay({ force: true }))).toMatchObject({ status: 'published', number: 2 });
  });

  it('is refused while a replay is under way, unless it is forced', async () => {
    await fixture.giveUp({ seq, body: BODY, eventId: 'e-1' });
    await replay();
    expect(problemOf(await drop({ reason: 'no' })).status).toBe(409);
    expect(resultOf(await drop({ reason: 'no', force: true }))).toMatchObject({
      status: 'dropped',
      number: 2,
    });
  });
});

describe('actions by filter', () => {
  const bulk = (action: 'replay' | 'drop', order: unknown, client = operator): Promise<Answered> =>
    client(`/dead-letters/${action}`, order);

  async function giveUpSeven(): Promise<void> {
    const bodyOf = (n: number): string => JSON.stringify({ ...EVENT, event_id: `e-${n}` });
    for (let n = 0; n < 7; n++) {
      const body = n === 3 ? '{' : bodyOf(n);
      await fixture.giveUp({ seq: seq + n, body, eventId: `e-${n}`, detail: n === 3 ? 'cut' : 'slow' });
    }
  }

  it('count first, then replay page by page, and leave what is not an event', async () => {
    await giveUpSeven();
    const before = await messages();
    const dry = bulkOf(await bulk('replay', { filter: {}, dry_run: true }));
    expect(dry).toMatchObject({ dry_run: true, counts: { possible: 6, not_replayable: 1 }, cursor: null });
    expect(await messages()).toBe(before);
    let cursor: string | null = null;
    const statuses: string[] = [];
    do {
      const page: DeadLetterBulkResult = bulkOf(
        await bulk('replay', { filter: {}, limit: 2, cursor, reason: 'all' }),
      );
      statuses.push(...page.results.map(({ status }) => status));
      cursor = page.cursor;
    } while (cursor !== null);
    expect(statuses).toEqual([
      'published',
      'published',
      'published',
      'not_replayable',
      'published',
      'published',
      'published',
    ]);
    expect(await messages()).toBe(before + 6);
    // What is in flight is not published again.
    expect(bulkOf(await bulk('replay', { filter: {} })).counts).toEqual({ in_flight: 6, not_replayable: 1 });
    expect(await messages()).toBe(before + 6);
  });

  it('drop a group with one reason', async () => {
    await giveUpSeven();
    const [cut] = lettersOf(await operator('/dead-letters')).filter(({ detail }) => detail === 'cut');
    const filter = { fingerprint: cut?.fingerprint };
    expect(problemOf(await bulk('drop', { filter })).status).toBe(422);
    expect(bulkOf(await bulk('drop', { filter, dry_run: true })).counts).toEqual({ possible: 1 });
    expect(bulkOf(await bulk('drop', { filter, reason: 'cut' })).counts).toEqual({ dropped: 1 });
    expect(lettersOf(await operator('/dead-letters'))).toHaveLength(6);
  });

  it.each([
    [{}, 'Give a "filter"'],
    [{ filter: { state: 'all' } }, 'leave "state" out'],
    [{ filter: {}, limit: 0 }, '"limit"'],
    [{ filter: {}, dry_run: 'yes' }, '"dry_run"'],
    [{ filter: { topic: 5 } }, '"topic" must be a text'],
    [{ filter: { topics: 'a' } }, '"topics" is not a parameter'],
    [{ filter: {}, cursor: 'x' }, 'Take "cursor" unchanged'],
  ])('are refused when they are not understood: %j', async (order, detail) => {
    const answer = problemOf(await bulk('replay', order));
    expect([400, 422]).toContain(answer.status);
    expect(answer.detail).toContain(detail);
  });

  it('reach the topics of the key alone, also by a mended event', async () => {
    const bound = fixture.client('bound');
    await fixture.giveUp(
      { seq, topic: 'a.b', body: JSON.stringify({ ...EVENT, topic: 'a.b' }), eventId: 'e-1' },
      { seq: seq + 1, topic: 'b', body: JSON.stringify({ ...EVENT, topic: 'b' }), eventId: 'e-1' },
      { seq: seq + 2, topic: 'a.c', body: '{', eventId: 'e-1' },
    );
    expect(problemOf(await bound(path(seq + 1, 'replay'), {})).status).toBe(403);
    expect(problemOf(await bound(path(seq + 1, 'drop'), { reason: 'x' })).status).toBe(403);
    expect(problemOf(await bound(path(seq + 2, 'replay'), { event: { ...EVENT, topic: 'b' } })).status).toBe(
      403,
    );
    expect(bulkOf(await bulk('replay', { filter: {} }, bound)).counts).toEqual({
      published: 1,
      not_replayable: 1,
    });
    expect(problemOf(await bulk('drop', { filter: { topic: 'b' }, reason: 'x' }, bound)).status).toBe(403);
    expect(await shown(seq + 1)).toMatchObject({ state: 'open', actions: 0 });
  });
});
