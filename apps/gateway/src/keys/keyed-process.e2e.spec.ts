/** The gateway process with keys: it ends when there is none, and never logs a token of its clients. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, startApp, TcpProxy, waitFor } from '#testing';
import { event } from '../test/running-gateway.js';

const WITH_KEYS = { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' };
const proxies: TcpProxy[] = [];

afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

describe('the gateway process', () => {
  it('ends with 1 on an address of the network when there is no key, unless everyone is to be let in', async () => {
    const { environment } = await createTestSystem();
    const everywhere = { ...environment, SEKALI_HTTP_HOST: '0.0.0.0' };
    const app = await startApp('gateway', everywhere, { untilReady: false });
    expect(await app.exited).toMatchObject({ code: 1 });
    expect(app.output()).toContain('The gateway cannot start: there is no active API key');
    expect(app.output()).toContain('sekali keys create');
    const open = { ...everywhere, SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS: 'true' };
    const warned = await startApp('gateway', open);
    expect((await fetch(`${warned.url}/events`)).status).toBe(200);
    expect(warned.output()).toContain('everyone who reaches this address');
  });

  it('ends with 1 when the database comes back and has no key', async () => {
    const { environment, postgresUrl } = await createTestSystem();
    const address = new URL(postgresUrl);
    const proxy = await TcpProxy.start(Number(address.port));
    proxies.push(proxy);
    address.port = String(proxy.port);
    proxy.hang();
    const app = await startApp('gateway', {
      ...environment,
      ...WITH_KEYS,
      SEKALI_POSTGRES_URL: address.href,
    });
    expect((await fetch(`${app.url}/events`)).status).toBe(503);
    proxy.heal();
    expect(await app.exited).toMatchObject({ code: 1 });
    expect(app.output()).toContain('there is no active API key');
  });

  it('writes no token into its log, whatever becomes of the request', async () => {
    const { environment, pool } = await createTestSystem();
    const token = newApiKeyToken();
    const key_id = apiKeyIdOf(token) ?? '';
    await insertApiKeys(pool, [
      { key_id, name: 'a', scopes: ['publish', 'read'], topics: ['a.>'], hash: apiKeyHash(token) },
    ]);
    const settings = { ...WITH_KEYS, SEKALI_LOG_LEVEL: 'trace', SEKALI_HTTP_REQUESTS_PER_SECOND_MAX: '4' };
    const app = await startApp('gateway', { ...environment, ...settings });
    const other = newApiKeyToken();
    const send = async (path: string, key: string, init: RequestInit = {}): Promise<number> => {
      const headers = {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-request-id': 'look-for-me',
      };
      return (await fetch(`${app.url}${path}`, { ...init, headers })).status;
    };
    const body = JSON.stringify(event('1'));
    expect(await send('/publish', token, { method: 'POST', body })).toBe(403);
    expect(await send('/publish', other, { method: 'POST', body })).toBe(401);
    expect(await send('/publish', token, { method: 'POST', body: '{' })).toBe(400);
    const many = await Promise.all(Array.from({ length: 10 }, () => send('/events?limit=x', token)));
    expect(many).toContain(429);
    await pool.query('DROP TABLE sekali.event_key CASCADE');
    await waitFor(async () => (await send('/events/a.b/1', token)) === 500, {
      timeoutMs: 30_000,
      describe: 'a fault of ours',
    });
    const log = app.output();
    // The log says which request failed, and nothing of its content.
    expect(log).toContain('look-for-me');
    expect(log).toContain('a request had no valid key');
    for (const secret of [token, other, token.slice(24), other.slice(24), apiKeyHash(token), 'Bearer']) {
      expect(log).not.toContain(secret);
    }
  });
});
