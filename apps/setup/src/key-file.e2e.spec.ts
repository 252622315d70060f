/** Setup adds the keys of a file, however often it runs, and never reactivates a revoked key. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type ApiKeyEntry } from '#contracts';
import { activeApiKeys, listApiKeys, revokeApiKey } from '#store';
import { createTestSystem, startApp, type App } from '#testing';

const file = join(mkdtempSync(join(tmpdir(), 'sekali-keys-')), 'keys.json');

function entry(name: string, token = newApiKeyToken()): ApiKeyEntry {
  const key_id = apiKeyIdOf(token) ?? '';
  return { key_id, name, scopes: ['publish'], topics: null, hash: apiKeyHash(token) };
}

async function setup(environment: Readonly<Record<string, string>>, content: unknown): Promise<App> {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  const app = await startApp('setup', { ...environment, SEKALI_API_KEYS_FILE: file }, { untilReady: false });
  await app.exited;
  return app;
}

describe('the key file of setup', () => {
  it('adds each key once, however often setup reads it, and reactivates none', async () => {
    const { environment, pool } = await createTestSystem();
    const [one, two, three] = [entry('producer'), entry('reader'), entry('later')];
    expect(await (await setup(environment, [one, two])).exited).toMatchObject({ code: 0 });
    await revokeApiKey(pool, one.key_id);
    // The file has changed since; an existing key stays as it is.
    const changed = { ...two, name: 'changed', scopes: ['admin'] };
    expect(await (await setup(environment, [one, changed, three])).exited).toMatchObject({ code: 0 });
    const active = await activeApiKeys(pool);
    expect(active).toHaveLength(2);
    expect(active).toEqual(expect.arrayContaining([two, three]));
    expect(await listApiKeys(pool)).toHaveLength(3);
  });

  it('is refused as a whole when any key is wrong, and the error shows nothing of its content', async () => {
    const { environment, pool } = await createTestSystem();
    const secret = newApiKeyToken();
    const wrong: [unknown, string][] = [
      [[entry('a'), { ...entry('b'), hash: secret }], 'key 2: a hash is 64 characters'],
      [{ keys: [] }, 'must be a JSON list'],
      [`[{"key_id": "${secret}`, 'is not JSON'],
      [[entry('a', secret), entry('b', secret)], 'has a key id twice'],
    ];
    for (const [content, message] of wrong) {
      const app = await setup(environment, content);
      expect(await app.exited).toMatchObject({ code: 1 });
      expect(app.output()).toContain(message);
      expect(app.output()).not.toContain(secret.slice(24));
    }
    expect(await listApiKeys(pool)).toEqual([]);
  });
});
