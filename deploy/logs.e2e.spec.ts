/**
 * The logs of real processes, at the most talkative level, while everything goes wrong: no payload is in them, and each
 * line names the request, the sequence and the event that it is about.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { headers as natsHeaders } from '@nats-io/nats-core';
import { createTestSystem, startApp, type App, type TestSystem, waitFor } from '#testing';

const START_MS_MAX = 90_000;
/** It occurs in each payload, as a whole text and in parts of others. */
const MARK = 'payloadmark5b1f';
const TOPIC = 'orders.created';

let system: TestSystem;
let gateway: App;
let worker: App;

beforeAll(async () => {
  system = await createTestSystem();
  const environment = { ...system.environment, SEKALI_LOG_LEVEL: 'trace' };
  [gateway, worker] = await Promise.all([startApp('gateway', environment), startApp('worker', environment)]);
  const isReady = async (): Promise<boolean> => (await fetch(`${gateway.url}/health/ready`)).ok;
  await waitFor(isReady, { timeoutMs: 20_000, describe: 'the gateway to be ready' });
}, START_MS_MAX);

const eventOf = (id: string, payload: object = {}): Record<string, unknown> => ({
  topic: TOPIC,
  event_id: id,
  timestamp: '2026-11-22T10:00:00.000Z',
  source: 'checkout',
  payload: { mark: MARK, ...payload },
});

async function send(
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text() };
}

const get = async (path: string): Promise<string> => (await fetch(`${gateway.url}${path}`)).text();

async function sendByNats(body: string, messageId: string, more: Record<string, string> = {}): Promise<void> {
  const headers = natsHeaders();
  headers.set('Nats-Msg-Id', messageId);
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  await system.connection.request(`${system.subjectPrefix}.${TOPIC}`, body, { headers, timeout: 10_000 });
}

/** The lines of a program, as far as they are whole. */
function linesOf(app: App): Record<string, unknown>[] {
  return app
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function lineWith(app: App, describe: string, members: object): Promise<Record<string, unknown>> {
  const fits = (line: Record<string, unknown>): boolean =>
    Object.entries(members).every(([name, value]) => line[name] === value);
  return waitFor(() => linesOf(app).find(fits) ?? false, { timeoutMs: 30_000, describe });
}

async function deadLetters(count: number): Promise<{ id: string; event_id: string | null }[]> {
  const found = async (): Promise<{ id: string; event_id: string | null }[] | false> => {
    const list = JSON.parse(await get('/dead-letters?limit=100')) as {
      id: string;
      event_id: string | null;
    }[];
    return list.length >= count && list;
  };
  return waitFor(found, { timeoutMs: 40_000, describe: `${count} dead letters` });
}

/** Constraints and a trigger whose errors quote the payload in their message, their detail and their context. */
const REFUSALS = `
ALTER TABLE sekali.event ADD CONSTRAINT a_number CHECK (coalesce((payload->>'number')::int, 1) > 0);
ALTER TABLE sekali.event ADD CONSTRAINT not_this CHECK (payload->>'refused' IS NULL);
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not this: %', NEW.payload; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON sekali.event FOR EACH ROW
WHEN (NEW.payload->>'raised' IS NOT NULL) EXECUTE FUNCTION public.refuse();`;

describe('requests of every kind', () => {
  it('are answered, those that are refused too', async () => {
    const statuses = [
      await send('/publish', eventOf('a'), { 'x-request-id': 'request-a' }),
      await send('/publish', eventOf('a')),
      await send('/publish', eventOf('a', { other: `${MARK} again` })),
      await send('/publish', `{"payload": ${MARK}`),
      await send('/publish', [{ ...eventOf('b'), event_id: '' }, eventOf('c')]),
      await send('/publish', `{"x":"${MARK}\n${MARK}\n`, { 'content-type': 'application/x-ndjson' }),
      await send('/orders/_bulk', `{"create":{"_id":"1"}}\n{"mark":"${MARK}"}\n{"create":{}}\n${MARK}\n`),
      await send('/v1/logs', {
        resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: MARK } }] }] }],
      }),
      await send('/v1/logs', `{"resourceLogs": [${MARK}`),
      await send('/loki/api/v1/push', { streams: [{ stream: { app: 'x' }, values: [['1', MARK]] }] }),
      await send('/loki/api/v1/push', `{"streams": "${MARK}`),
      await send(
        '/cloudevents',
        { specversion: '1.0', id: '1', source: 'x', type: 'y', data: { mark: MARK } },
        { 'content-type': 'application/cloudevents+json' },
      ),
      await send('/webhooks/orders', { mark: MARK }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([202, 202, 202, 400, 422, 422, 200, 200, 400, 204, 400, 202, 401]);
    expect(await get(`/events/${TOPIC}/a`)).toContain(MARK);
  });

  it('leave a line with request, event and sequence', async () => {
    const line = await lineWith(gateway, 'the line of a request', {
      msg: 'published',
      request_id: 'request-a',
    });
    expect(line).toMatchObject({
      count: 1,
      events: [{ topic: TOPIC, event_id: 'a', status: 'accepted', seq: 1 }],
    });
    await lineWith(gateway, 'its answer', { msg: 'answered', request_id: 'request-a', status: 202 });
    await lineWith(worker, 'its batch', { msg: 'batch committed', first: 1 });
  });
});

describe('events that cannot be stored', () => {
  it(
    'become dead letters, whose lines name them',
    async () => {
      await sendByNats(`{"payload": ${MARK}`, `${TOPIC}:not-json`);
      await sendByNats(JSON.stringify({ ...eventOf('no-time'), timestamp: MARK }), `${TOPIC}:no-time`);
      await sendByNats(MARK, 'cloud-event', { 'content-type': 'application/cloudevents+json' });
      await deadLetters(3);
      await system.pool.query(REFUSALS);
      await send('/publish', [
        eventOf('number', { number: `${MARK}"'` }),
        eventOf('refused', { refused: true }),
        eventOf('raised', { raised: true }),
        eventOf('good'),
      ]);
      const letters = await deadLetters(5);
      expect(letters.map(({ event_id }) => event_id)).toEqual(expect.arrayContaining(['number', 'refused']));
      const line = linesOf(worker).find(({ event_id }) => event_id === 'number');
      expect(line).toMatchObject({ topic: TOPIC, seq: expect.any(Number) });
    },
    START_MS_MAX,
  );

  it('can be shown, replayed and dropped', async () => {
    const [one, other] = await deadLetters(5);
    expect(await get(`/dead-letters/${one?.id}`)).toContain('"id"');
    const mended = await send(`/dead-letters/${one?.id}/replay`, { reason: 'mended', event: eventOf('x') });
    const dropped = await send(`/dead-letters/${other?.id}/drop`, { reason: 'known' });
    expect([mended.status < 500, dropped.status < 500]).toEqual([true, true]);
    expect(await get(`/events/${TOPIC}/a/story`)).toContain('"conflict"');
  });
});

describe('the logs of all this', () => {
  it(
    'have no payload',
    async () => {
      await worker.stop();
      // A query that fails is a fault of the gateway, which is logged with its error.
      await system.pool.query('ALTER TABLE sekali.event_key RENAME TO event_key_gone');
      await get(`/events/${TOPIC}/a`);
      await gateway.stop();
      expect(linesOf(worker).filter(({ msg }) => msg === 'dead letter').length).toBeGreaterThanOrEqual(5);
      for (const app of [gateway, worker]) {
        const quoting = app
          .output()
          .split('\n')
          .filter((line) => line.includes(MARK));
        expect(quoting).toEqual([]);
      }
    },
    START_MS_MAX,
  );
});
