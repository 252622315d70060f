/** The door with keys: which clients it admits, to which routes, and for how long. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type ApiKeyEntry, type EventView } from '#contracts';
import { insertApiKeys, revokeApiKey, SEKALI_LEDGER } from '#store';
import { createTestSystem, TcpProxy, waitFor, type TestSystem } from '#testing';
import { event, problemOf, published, RunningGateway, type Answered } from '../test/running-gateway.js';
import { NoKeyError } from './key-ring.js';

const WITH_KEYS = { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
const proxies: TcpProxy[] = [];

afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

async function makeKey(system: TestSystem, given: Partial<ApiKeyEntry> = {}): Promise<string> {
  const token = newApiKeyToken();
  const key_id = apiKeyIdOf(token) ?? '';
  const entry = { key_id, name: 'test', scopes: ['publish', 'read'], topics: null, hash: apiKeyHash(token) };
  await insertApiKeys(system.pool, [{ ...entry, ...given } as ApiKeyEntry]);
  return token;
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

async function keyed(
  keys: readonly Partial<ApiKeyEntry>[] = [{}],
  settings: Readonly<Record<string, string>> = {},
): Promise<{ system: TestSystem; gateway: RunningGateway; tokens: string[] }> {
  const system = await createTestSystem();
  const tokens: string[] = [];
  for (const key of keys) tokens.push(await makeKey(system, key));
  const gateway = await RunningGateway.start({ ...system.environment, ...WITH_KEYS, ...settings });
  return { system, gateway, tokens };
}

const STORE = `
WITH key AS (
  INSERT INTO sekali.event_key (stream_id, seq, topic, event_id, digest)
  SELECT $1, seq, topic, 'id-' || (seq - 1), 0 FROM unnest($2::text[]) WITH ORDINALITY AS new (topic, seq)
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, topic, 'id-' || (seq - 1), 's', now(), '{}', now()
FROM unnest($2::text[]) WITH ORDINALITY AS new (topic, seq)`;

/** Stores events like the store: topic by topic, one each. */
async function store(system: TestSystem, topics: readonly string[]): Promise<void> {
  const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, {
    name: system.streamName,
    identity: 'test',
  });
  await system.pool.query(STORE, [streamId, topics]);
}

describe('a gateway that asks for keys', () => {
  it('admits no client without a key, except to the health', async () => {
    const { gateway } = await keyed();
    const closed = ['/stats', '/events', '/events/a/1', '/nothing', '/events/a', '/health/other'];
    const answers = [await gateway.publish(event('1')), await gateway.get('/publish', { method: 'OPTIONS' })];
    for (const path of closed) answers.push(await gateway.get(path));
    for (const answer of answers) {
      expect(problemOf(answer)).toMatchObject({ status: 401, type: 'urn:sekali:problem:no-key' });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="sekali"$/);
    }
    const open = ['/health', '/health/live', '/health/ready'];
    for (const path of open) expect((await gateway.get(path)).status).toBe(200);
    const heads = ['/health/live', '/events', '/stats'].map((path) => gateway.get(path, { method: 'HEAD' }));
    expect((await Promise.all(heads)).map(({ status }) => status)).toEqual([200, 401, 401]);
  });

  it('refuses every token that is not one of its keys, and distinguishes a wrong one from none', async () => {
    const { gateway, tokens } = await keyed([{}, {}]);
    const [token = '', other = ''] = tokens;
    const wrong = [
      newApiKeyToken(),
      token.slice(0, 24) + other.slice(24),
      `${token}x`,
      'x',
      '%00',
      "'OR'1'='1",
    ];
    for (const text of wrong) {
      const answer = await gateway.get('/stats', { headers: bearer(text) });
      expect(problemOf(answer).status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    }
    const ways = [
      { 'x-api-key': token },
      { authorization: `bearer   ${token}` },
      { authorization: 'Basic dTpw', 'x-api-key': token },
    ];
    for (const headers of ways) expect((await gateway.get('/stats', { headers })).status).toBe(200);
    expect((await gateway.get('/nothing', { headers: bearer(token) })).status).toBe(404);
    expect((await gateway.get('/stats', { method: 'POST', headers: bearer(token) })).status).toBe(405);
  });

  it('gives each scope its own and no more, and names the one that is missing', async () => {
    const { gateway, tokens } = await keyed([
      { scopes: ['publish'] },
      { scopes: ['read'] },
      { scopes: ['admin'] },
    ]);
    const status = async (token: string, path: string): Promise<number> =>
      (await gateway.get(path, { headers: bearer(token) })).status;
    const [publisher = '', reader = '', admin = ''] = tokens;
    expect((await gateway.publish(event('1'), bearer(publisher))).status).toBe(202);
    expect((await gateway.get('/events', { method: 'HEAD', headers: bearer(reader) })).status).toBe(200);
    expect([await status(reader, '/events'), await status(reader, '/stats')]).toEqual([200, 200]);
    for (const token of [publisher, admin]) {
      for (const path of ['/events', '/events/a/1', '/stats']) expect(await status(token, path)).toBe(403);
    }
    const refused = await gateway.publish(event('2'), bearer(reader));
    expect(problemOf(refused)).toMatchObject({ status: 403, scope: 'publish' });
    expect(problemOf(refused).detail).toContain('scope publish');
    expect(refused.headers.get('www-authenticate')).toContain('scope="publish"');
    expect(problemOf(await gateway.publish(event('2'), bearer(admin))).status).toBe(403);
  });

  it('takes a key that is made, and refuses one that is revoked, within three seconds', async () => {
    const { system, gateway, tokens } = await keyed();
    const [token = ''] = tokens;
    const status = async (of: string): Promise<number> =>
      (await gateway.get('/stats', { headers: bearer(of) })).status;
    expect(await status(token)).toBe(200);
    await revokeApiKey(system.pool, apiKeyIdOf(token) ?? '');
    await waitFor(async () => (await status(token)) === 401, {
      timeoutMs: 3_000,
      describe: 'the key to be refused',
    });
    // Without the last key the gateway keeps running, and admits no client.
    expect(problemOf(await gateway.publish(event('1'), bearer(token))).status).toBe(401);
    const later = await makeKey(system);
    await waitFor(async () => (await status(later)) === 200, {
      timeoutMs: 3_000,
      describe: 'the new key to be taken',
    });
  });

  it('asks the database for its keys once a second, not at each request', async () => {
    const { system, gateway, tokens } = await keyed();
    const queries = async (): Promise<number> => {
      const { rows } = await system.pool.query<{ n: number }>(
        `SELECT coalesce(sum(seq_scan), 0)::int AS n FROM pg_stat_user_tables WHERE relname = 'api_key'`,
      );
      return rows[0]?.n ?? 0;
    };
    const [before, startedAt] = [await queries(), performance.now()];
    const bodies = Array.from({ length: 500 }, (_, n) => event(String(n)));
    for (let from = 0; from < bodies.length; from += 50) {
      const answers = bodies
        .slice(from, from + 50)
        .map((body) => gateway.publish(body, bearer(tokens[0] ?? '')));
      for (const answer of await Promise.all(answers)) expect(answer.status).toBe(202);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    // Postgres updates its statistics late, which adds the readings from before.
    expect((await queries()) - before).toBeLessThan(seconds + 30);
  });
});

describe('a key with a list of topics', () => {
  const ORDERS = { topics: ['orders.created', 'logs.>'] };

  it('publishes to these, and names index and topic of what is outside', async () => {
    const { gateway, tokens } = await keyed([ORDERS]);
    const headers = bearer(tokens[0] ?? '');
    const batch = [event('1'), event('2', { topic: 'logs.web.nginx' })];
    expect((await gateway.publish(batch, headers)).status).toBe(202);
    const mixed = [event('3'), event('4', { topic: 'logs' }), event('5', { topic: 'payments' })];
    const strict = await gateway.publish(mixed, headers);
    expect(problemOf(strict)).toMatchObject({
      status: 403,
      outside: [
        { index: 1, topic: 'logs' },
        { index: 2, topic: 'payments' },
      ],
    });
    expect(problemOf(strict).detail).toContain('index 1, topic logs');
    const lenient = await gateway.publish(mixed, { ...headers, prefer: 'handling=lenient' });
    expect(lenient.status).toBe(202);
    expect(published(lenient)).toMatchObject({ accepted: 1, duplicates: 0 });
    expect(
      published(lenient).rejected.map(({ index, topic, errors }) => [index, topic, errors?.[0]?.field]),
    ).toEqual([
      [1, 'logs', 'topic'],
      [2, 'payments', 'topic'],
    ]);
    // None of the refused events was published, so each new one is the next in the stream.
    const next = await gateway.publish(event('6'), headers);
    expect(published(next).results[0]?.seq).toBe(4);
    const all = await gateway.publish([event('7', { topic: 'x' })], {
      ...headers,
      prefer: 'handling=lenient',
    });
    expect(problemOf(all).status).toBe(403);
  });

  it('reads these alone: pages without the others, one event of them, no figures of all', async () => {
    const { system, gateway, tokens } = await keyed([ORDERS, { topics: ['payments'] }]);
    await store(system, ['orders.created', 'payments', 'logs', 'logs.a', 'payments', 'logs.b.c']);
    const get = async (path: string, key = 0): Promise<Answered> =>
      gateway.get(path, { headers: bearer(tokens[key] ?? '') });
    const topicsOf = async (first: string, key = 0): Promise<string[]> => {
      const topics: string[] = [];
      let path: string | undefined = first;
      while (path !== undefined) {
        const answer: Answered = await get(path, key);
        expect(answer.status).toBe(200);
        topics.push(...(JSON.parse(answer.text) as EventView[]).map(({ topic }) => topic));
        path = /^<http[^/]*\/\/[^/]*(\/events\?[^>]*)>/.exec(answer.headers.get('link') ?? '')?.[1];
      }
      return topics;
    };
    expect(await topicsOf('/events')).toEqual(['orders.created', 'logs.a', 'logs.b.c']);
    expect(await topicsOf('/events?limit=2')).toEqual(['orders.created', 'logs.a', 'logs.b.c']);
    expect(await topicsOf('/events?topic=logs.a')).toEqual(['logs.a']);
    expect(await topicsOf('/events?limit=1', 1)).toEqual(['payments', 'payments']);
    // A pattern finds what the key covers of it.
    expect(await topicsOf('/events?topic=*')).toEqual([]);
    expect(await topicsOf('/events?topic=*', 1)).toEqual(['payments', 'payments']);
    expect(await topicsOf('/events?topic=logs.%3E')).toEqual(['logs.a', 'logs.b.c']);
    const refused = ['/events?topic=payments', '/events?topic=logs', '/events/payments/id-1', '/stats'];
    for (const path of refused) expect([path, problemOf(await get(path)).status]).toEqual([path, 403]);
    expect(problemOf(await get('/events?topic=payments'))).toMatchObject({ topic: 'payments' });
    expect((await get('/events/logs.a/id-3')).status).toBe(200);
    expect((await get('/events/logs.a/none')).status).toBe(404);
  });

  it('learns nothing of others from where a page ends: no link leads to theirs, no cursor counts them', async () => {
    const { system, gateway, tokens } = await keyed([{ topics: ['payments'] }, { topics: ['unused'] }]);
    await store(system, []);
    const ends = async (key: number, limit: number): Promise<[string | null, string | null]> => {
      const { headers } = await gateway.get(`/events?limit=${limit}`, { headers: bearer(tokens[key] ?? '') });
      return [headers.get('link'), headers.get('sekali-cursor')];
    };
    const before = await ends(1, 1);
    await store(system, ['orders.created', 'payments', 'logs', 'logs.a', 'payments', 'logs.b.c']);
    expect(await ends(1, 1)).toEqual(before);
    const [[link, cursor], [, cursorOfAll]] = [await ends(0, 2), await ends(0, 100)];
    expect([link, cursor]).toEqual([null, cursorOfAll]);
    expect((await ends(0, 1))[0]).toContain('rel="next"');
  });
});

describe('a gateway that asks for keys, at its start', () => {
  it('does not start when there is none, and says what to do', async () => {
    const system = await createTestSystem();
    const revoked = await makeKey(system);
    await revokeApiKey(system.pool, apiKeyIdOf(revoked) ?? '');
    const environments = [
      { ...system.environment, ...WITH_KEYS },
      { ...system.environment, SEKALI_HTTP_HOST: '0.0.0.0' },
      { ...system.environment, SEKALI_HTTP_TRUST_PROXY: 'loopback' },
    ];
    for (const environment of environments) {
      await expect(RunningGateway.start(environment, false)).rejects.toThrow(NoKeyError);
    }
  });

  it('waits for a database that does not answer, admits no client meanwhile, and opens by itself', async () => {
    const system = await createTestSystem();
    const token = await makeKey(system);
    const address = new URL(system.postgresUrl);
    const proxy = await TcpProxy.start(Number(address.port));
    proxies.push(proxy);
    address.port = String(proxy.port);
    const environment = { ...system.environment, SEKALI_POSTGRES_URL: address.href };
    proxy.hang();
    const gateway = await RunningGateway.start({ ...environment, ...WITH_KEYS }, false);
    expect((await gateway.get('/health/live')).status).toBe(200);
    const closed = [
      await gateway.publish(event('1'), bearer(token)),
      await gateway.publish(event('1')),
      await gateway.get('/nothing'),
    ];
    for (const answer of closed) {
      expect(problemOf(answer)).toMatchObject({ status: 503, component: 'database' });
      expect(answer.headers.get('retry-after')).toBe('2');
    }
    const health = await gateway.get('/health');
    expect(health.text).toContain('it does not answer');
    expect(health.text).not.toMatch(/127\.0\.0\.1|ECONN/);
    proxy.heal();
    await waitFor(async () => (await gateway.publish(event('1'), bearer(token))).status === 202, {
      timeoutMs: 10_000,
      describe: 'the key to be known',
    });
    // The keys stay known through the next outage, because publishing needs no database.
    proxy.hang();
    const until = performance.now() + 2_500;
    await waitFor(
      async () => {
        const { status } = await gateway.publish(event('2'), bearer(token));
        if (status !== 202) throw new Error(`refused with ${status}`);
        return performance.now() > until;
      },
      { timeoutMs: 5_000, describe: 'two readings to fail' },
    );
    expect((await gateway.publish(event('3'), bearer(newApiKeyToken()))).status).toBe(401);
  });
});
