/** CloudEvents over HTTP, from the SDK and from bytes that it would change. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from 'cloudevents';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type Problem, type PublishResponse } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, startApp, waitFor, type App, type TestSystem } from '#testing';

const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const BATCH = { 'content-type': 'application/cloudevents-batch+json' };
const ORIGIN = 'https://page.example';
let system: TestSystem;
let open: App;
let keyed: App;
const [token, bound] = [newApiKeyToken(), newApiKeyToken()];

beforeAll(async () => {
  system = await createTestSystem();
  const key = (of: string) =>
    ({
      key_id: apiKeyIdOf(of) ?? '',
      name: 'ce',
      hash: apiKeyHash(of),
      topics: null,
      scopes: ['publish', 'read'],
    }) as const;
  const defaults = { topic: 'unused', source: '/bound' };
  await insertApiKeys(system.pool, [key(token), { ...key(bound), defaults }]);
  [open, keyed] = await Promise.all([
    startApp('gateway', system.environment),
    startApp('gateway', {
      ...system.environment,
      SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true',
      SEKALI_HTTP_CORS_ORIGINS: ORIGIN,
      SEKALI_LOG_LEVEL: 'debug',
    }),
    startApp('worker', system.environment),
  ]);
  for (const { url } of [open, keyed])
    await waitFor(async () => (await fetch(`${url}/health/ready`)).ok, { timeoutMs: 20_000, describe: url });
});

async function send(
  body: string | Buffer,
  headers: Readonly<Record<string, string>>,
  url = `${open.url}/cloudevents`,
): Promise<{ status: number; answer: PublishResponse & Problem }> {
  const response = await fetch(url, { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers });
  return { status: response.status, answer: (await response.json()) as PublishResponse & Problem };
}

/** The events of a topic as CloudEvents, once there are as many as expected. */
async function batchOf(topic: string, count: number): Promise<string> {
  let text = '';
  await waitFor(
    async () => {
      const response = await fetch(`${open.url}/events?topic=${topic}`, {
        headers: { accept: 'application/cloudevents-batch+json' },
      });
      expect(response.headers.get('content-type')).toMatch(/^application\/cloudevents-batch\+json/);
      text = await response.text();
      return (JSON.parse(text) as unknown[]).length === count;
    },
    { timeoutMs: 20_000, describe: `${count} events of ${topic}` },
  );
  return text;
}

describe('CloudEvents of the SDK', () => {
  it.each([Mode.BINARY, Mode.STRUCTURED])(
    'are taken in the %s mode, once, and given back whole',
    async (mode) => {
      const type = `com.example.${mode}`;
      const event = new CloudEvent({
        type,
        source: '/shop/1',
        id: `id-${mode}`,
        subject: 'über "alles" 100 %',
        dataschema: 'https://example.com/schema',
        extension: 'value',
        data: { total: 12.5, name: 'Ω' },
      });
      const statuses: number[] = [];
      const emit = emitterFor(
        async (message, options) => {
          const sent = await httpTransport(`${open.url}/cloudevents`)(message, options);
          const { body } = sent as { body: string };
          statuses.push((JSON.parse(body) as PublishResponse).duplicates);
          return sent;
        },
        { mode },
      );
      await emit(event);
      await emit(event);
      expect(statuses).toEqual([0, 1]);
      const back = HTTP.toEvent({ headers: BATCH, body: await batchOf(type, 1) }) as CloudEvent[];
      const { extension, subject, dataschema, id, source, time, data } = back[0] ?? event;
      expect({ extension, subject, dataschema, id, source, time, data }).toEqual({
        extension: 'value',
        subject: 'über "alles" 100 %',
        dataschema: 'https://example.com/schema',
        id: `id-${mode}`,
        source: '/shop/1',
        time: event.time,
        data: { total: 12.5, name: 'Ω' },
      });
    },
  );
});

describe('CloudEvents', () => {
  const ce = (id: string, more = ''): string =>
    `{"specversion":"1.0","id":"${id}","source":"/s","type":"t.plain"${more}}`;

  it('lose no digit of a number and no microsecond of a time', async () => {
    const more =
      ',"type":"t.exact","time":"2026-11-22T10:00:00.123456789+07:00","big":12345678901234567890,"data":{"n":12345678901234567890.10}';
    expect((await send(ce('exact', more), STRUCTURED)).status).toBe(202);
    const text = await batchOf('t.exact', 1);
    expect(text).toContain('12345678901234567890.10');
    expect(text).toMatch(/"big": ?12345678901234567890\b/);
    expect(text).toContain('2026-11-22T10:00:00.123456789+07:00');
    const one = await fetch(`${open.url}/events/t.exact?event_id=${encodeURIComponent('/s exact')}`);
    expect(await one.json()).toMatchObject({ timestamp: '2026-11-22T03:00:00.123456Z', source: '/s' });
  });

  it('are one event by source and id, and by the id where the key has one source', async () => {
    const same = [ce('same'), ce('same'), ce('same').replace('"/s"', '"/other"')];
    const { answer } = await send(`[${same.join()}]`, BATCH);
    expect(answer.results.map(({ event_id, status }) => [event_id, status])).toEqual([
      ['/s same', 'accepted'],
      ['/s same', 'duplicate'],
      ['/other same', 'accepted'],
    ]);
    const url = `${keyed.url}/cloudevents?access_token=${bound}`;
    const own = await send(`[${ce('own').replace('"/s"', '"/bound"')},${ce('own')}]`, BATCH, url);
    expect(own.answer.results.map(({ event_id }) => event_id)).toEqual(['own', '/s own']);
  });

  it('have their type mapped to a topic, and the answer says so', async () => {
    const { answer } = await send(ce('mapped', ',"type":"com.example/a:b"'), STRUCTURED);
    expect(answer.results).toMatchObject([{ topic: 'com.example_a_b', topic_name: 'com.example/a:b' }]);
  });

  it('carry data of any type in the binary mode', async () => {
    const headers = (id: string, type: string): Record<string, string> => ({
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-source': '/binary',
      'ce-type': 't.binary',
      'content-type': type,
    });
    const bodies: [string, string, Buffer, Record<string, unknown>][] = [
      ['json', 'application/vnd.a+json', Buffer.from(' [1.0]\n'), { data: [1] }],
      ['text', 'text/plain', Buffer.from('naïve'), { data: 'naïve' }],
      ['bytes', 'image/png', Buffer.from([0, 255, 1]), { data_base64: 'AP8B' }],
      ['not json', 'application/json', Buffer.from('{"a":1},"id":"x"'), { data_base64: expect.any(String) }],
    ];
    for (const [id, type, body] of bodies)
      expect([id, (await send(body, headers(id, type))).status]).toEqual([id, 202]);
    const stored = JSON.parse(await batchOf('t.binary', bodies.length)) as Record<string, unknown>[];
    expect(stored).toEqual(
      bodies.map(
        ([id, type, , data]) => expect.objectContaining({ id, datacontenttype: type, ...data }) as unknown,
      ),
    );
  });

  it('are refused with what is wrong, one alone or in a batch', async () => {
    const wrong: [string, string][] = [
      ['specversion', ce('w').replace('1.0', '0.3')],
      ['id', ce('')],
      ['time', ce('w', ',"time":"now"')],
      ['data_base64', ce('w', ',"data":1,"data_base64":"AA=="')],
      ['Wrong', ce('w', ',"Wrong":1')],
      ['source', ce('w').replace('"/s"', `"${'s'.repeat(300)}"`)],
      ['event', ce('w', ',"data":"\\u0000"')],
    ];
    for (const [field, text] of wrong) {
      const { status, answer } = await send(text, STRUCTURED);
      expect([status, answer.rejected[0]?.errors?.[0]?.field]).toEqual([422, field]);
    }
    const lenient = await send(`[${ce('w', ',"time":1')},${ce('right')}]`, {
      ...BATCH,
      prefer: 'handling=lenient',
    });
    expect([lenient.status, lenient.answer.accepted]).toEqual([202, 1]);
    expect((await send('[ ]', BATCH)).answer.accepted).toBe(0);
    expect((await send('{}', { 'content-type': 'application/json' })).status).toBe(415);
    expect(
      (await send('{}', { 'content-type': 'application/x-ndjson', 'ce-specversion': '1.0' })).status,
    ).toBe(415);
  });
});

describe('the webhook of CloudEvents', () => {
  it('answers the handshake to a client with a key, also where web pages are allowed', async () => {
    const ask = async (url: string, headers: Record<string, string>): Promise<Response> =>
      fetch(url, { method: 'OPTIONS', headers });
    const origin = { 'webhook-request-origin': 'events.example', 'webhook-request-rate': '120' };
    expect((await ask(`${keyed.url}/cloudevents`, origin)).status).toBe(401);
    const answer = await ask(`${keyed.url}/cloudevents?access_token=${token}`, origin);
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'webhook-allowed-origin': 'events.example',
      'webhook-allowed-rate': '120',
      allow: 'POST, OPTIONS',
    });
    expect((await ask(`${open.url}/cloudevents`, {})).status).toBe(400);
    const preflight = { origin: ORIGIN, 'access-control-request-method': 'POST' };
    expect((await ask(`${keyed.url}/publish`, preflight)).headers.get('access-control-allow-origin')).toBe(
      ORIGIN,
    );
  });

  it('takes its token in the address, which no other route does, and never repeats it', async () => {
    const event = '{"specversion":"1.0","id":"q","source":"/q","type":"t.query"}';
    const query = `access_token=${token}`;
    expect((await send(event, STRUCTURED, `${keyed.url}/cloudevents?${query}`)).status).toBe(202);
    const wrong = await send('{}', STRUCTURED, `${keyed.url}/cloudevents?a=1&${query}x`);
    expect([wrong.status, wrong.answer.instance]).toEqual([401, '/cloudevents']);
    for (const path of ['/publish', '/stats', '/nothing']) {
      const answer = await fetch(`${keyed.url}${path}?${query}`, {
        method: path === '/publish' ? 'POST' : 'GET',
      });
      expect([path, answer.status, (await answer.text()).includes(token)]).toEqual([path, 401, false]);
    }
    expect(keyed.output()).toContain('had no valid key');
    expect(keyed.output()).not.toContain(token.slice(24));
  });
});

describe('plain events as CloudEvents', () => {
  it('have topic and id as their id, and their payload as data', async () => {
    const event = {
      topic: 'plain.events',
      event_id: '1',
      timestamp: '2026-11-22T10:00:00Z',
      source: 'a b',
      payload: { n: 1 },
    };
    const headers = { 'content-type': 'application/json' };
    await fetch(`${open.url}/publish`, { method: 'POST', body: JSON.stringify(event), headers });
    const [one] = HTTP.toEvent({ headers: BATCH, body: await batchOf('plain.events', 1) }) as CloudEvent[];
    expect(one).toMatchObject({
      id: 'plain.events:1',
      source: 'a%20b',
      type: 'plain.events',
      data: { n: 1 },
    });
    const single = await fetch(`${open.url}/events/plain.events/1`, {
      headers: { accept: 'text/html, application/cloudevents+json;q=0.9' },
    });
    expect(single.headers.get('content-type')).toMatch(/^application\/cloudevents\+json/);
    expect(((await single.json()) as { data: unknown }).data).toEqual({ n: 1 });
  });
});
