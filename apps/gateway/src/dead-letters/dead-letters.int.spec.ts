/** Reading dead letters over HTTP: pages, counts by reason, one with its message, and who may. */
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeadLetterDetail, DeadLetterGroupView } from '#contracts';
import { createInbox } from '#store';
import { allPages, type Client, DeadLetterFixture, lettersOf } from '../test/dead-letter-fixture.js';
import { problemOf } from '../test/running-gateway.js';

let fixture: DeadLetterFixture;
let operator: Client;

beforeAll(async () => {
  fixture = await DeadLetterFixture.start(
    { name: 'ops' },
    { name: 'other', scopes: ['publish', 'read'] },
    { name: 'bound', topics: ['a.>'] },
  );
  await createInbox(fixture.system.pool, 'totals');
  operator = fixture.client('ops');
});
beforeEach(async () => {
  await fixture.system.pool.query('TRUNCATE sekali.dead_letter, sekali.totals_dead_letter');
});

const detailOf = async (id: string, client = operator): Promise<DeadLetterDetail> =>
  JSON.parse((await client(`/dead-letters/${id}`)).text) as DeadLetterDetail;

describe('GET /dead-letters', () => {
  it('pages through the dead letters of every consumer by its links', async () => {
    await fixture.giveUp(
      { seq: 1 },
      { seq: 2, topic: 'a.b' },
      { seq: 3 },
      { seq: 2, table: 'totals_dead_letter' },
    );
    const found = await allPages(operator, '/dead-letters?limit=1');
    expect(found.map(({ consumer, seq }) => [consumer, seq])).toEqual([
      ['store', 3],
      ['store', 2],
      ['store', 1],
      ['totals', 2],
    ]);
    expect(found[0]).toMatchObject({
      id: fixture.idOf(3),
      topic: 'orders',
      event_id: 'e-3',
      state: 'open',
      actions: 0,
      last_action: null,
      body_bytes: 1,
      published_at: '2026-11-22T10:00:00.003Z',
    });
    expect(lettersOf(await operator('/dead-letters?topic=a.b&consumer=store'))).toHaveLength(1);
    expect(lettersOf(await operator('/dead-letters?state=stored,dropped'))).toEqual([]);
    expect((await operator('/dead-letters/')).status).toBe(200);
  });

  it('counts what failed alike', async () => {
    await fixture.giveUp(
      { seq: 1, detail: 'payload: 7 levels' },
      { seq: 2, detail: 'payload: 9 levels', topic: 'a' },
      { seq: 3, reason: 'too_large' },
    );
    const answer = await operator('/dead-letters?group=reason');
    expect(JSON.parse(answer.text) as DeadLetterGroupView[]).toEqual([
      expect.objectContaining({
        reason: 'not_json',
        message: 'payload: # levels',
        count: 2,
        topic: 'a',
        more_topics: true,
        newest: fixture.idOf(2),
      }),
      expect.objectContaining({ reason: 'too_large', count: 1, more_topics: false }),
    ]);
  });

  it.each([
    ['/dead-letters?limit=0', 'limit'],
    ['/dead-letters?group=topic', 'group'],
    ['/dead-letters?state=opened', 'state'],
    ['/dead-letters?since=yesterday', 'since'],
    ['/dead-letters?cursor=MS4', 'cursor'],
    ['/dead-letters?topics=a', 'topics'],
    ['/dead-letters?topic=a&topic=b', 'topic'],
  ])('names the parameter that is wrong: %s', async (path, parameter) => {
    expect(problemOf(await operator(path))).toMatchObject({ status: 400, parameter });
  });
});

describe('GET /dead-letters/{id}', () => {
  it('has the headers, the body as text and as base64, the error and the attempts', async () => {
    const body = '{"total": 12345678901234567890, ü';
    const headers = { 'Nats-Msg-Id': ['orders:e-1'], traceparent: ['00-1-2-01'] };
    await fixture.giveUp({ seq: 1, body, headers, detail: 'Unexpected end' });
    expect(await detailOf(fixture.idOf(1))).toMatchObject({
      id: fixture.idOf(1),
      detail: 'Unexpected end',
      deliveries: 1,
      headers,
      body: { text: body, base64: Buffer.from(body).toString('base64'), is_cut: false },
      history: [],
    });
  });

  it('shows bytes that are not text, and the beginning of a large body', async () => {
    await fixture.giveUp({ seq: 1, body: Buffer.from([0xff, 0x00]) }, { seq: 2, body: 'ü'.repeat(900_000) });
    expect((await detailOf(fixture.idOf(1))).body).toEqual({ text: null, base64: '/wA=', is_cut: false });
    const { body, body_bytes } = await detailOf(fixture.idOf(2));
    expect(body_bytes).toBe(1_800_000);
    expect(body.is_cut).toBe(true);
    expect(body.text).toMatch(/^ü{200000,}$/);
  });

  it.each(['x', 'store.1.5', 'none.1.1764327000123', 'store.1.99999999999999', "store.1.5'"])(
    'is 404 for an id that names none: %s',
    async (id) => {
      expect(problemOf(await operator(`/dead-letters/${id}`))).toMatchObject({
        status: 404,
        type: 'urn:sekali:problem:unknown-dead-letter',
      });
    },
  );
});

describe('who reads dead letters', () => {
  it('is a holder of a key with the scope admin', async () => {
    await fixture.giveUp({ seq: 1 });
    const other = fixture.client('other');
    for (const path of ['/dead-letters', `/dead-letters/${fixture.idOf(1)}`])
      expect(problemOf(await other(path))).toMatchObject({ status: 403, scope: 'admin' });
    expect((await fixture.gateway.get('/dead-letters')).status).toBe(401);
  });

  it('sees the topics of the key alone, in pages, counts and one by one', async () => {
    await fixture.giveUp(
      { seq: 1, topic: 'a.b' },
      { seq: 2, topic: 'b' },
      { seq: 3, topic: '(invalid)' },
      { seq: 4, topic: 'a.c' },
      { seq: 5, topic: 'ab' },
    );
    const bound = fixture.client('bound');
    expect((await allPages(bound, '/dead-letters?limit=1')).map(({ seq }) => seq)).toEqual([4, 1]);
    const groups = JSON.parse((await bound('/dead-letters?group=reason')).text) as DeadLetterGroupView[];
    expect(groups.map(({ count }) => count)).toEqual([2]);
    expect((await bound(`/dead-letters/${fixture.idOf(1)}`)).status).toBe(200);
    for (const path of [`/dead-letters/${fixture.idOf(2)}`, '/dead-letters?topic=b'])
      expect(problemOf(await bound(path))).toMatchObject({ status: 403, topic: 'b' });
    expect(problemOf(await bound(`/dead-letters/${fixture.idOf(3)}`)).status).toBe(403);
  });
});
