import { describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type ApiKeyEntry } from '#contracts';
import { KeyRing, NoKeyError } from './key-ring.js';

const entryOf = (token: string): ApiKeyEntry => ({
  key_id: apiKeyIdOf(token) ?? '',
  name: 'a',
  scopes: ['publish'],
  topics: ['a.>'],
  hash: apiKeyHash(token),
});

async function ringOf(read: () => Promise<ApiKeyEntry[]>): Promise<{ ring: KeyRing; outages: unknown[] }> {
  const outages: unknown[] = [];
  const ring = new KeyRing({ read, onOutage: (error) => outages.push(error), onNoKey: () => undefined });
  try {
    await ring.open();
  } finally {
    ring.close();
  }
  return { ring, outages };
}

describe('a key ring', () => {
  it('knows a token by all of its characters', async () => {
    const [token, other] = [newApiKeyToken(), newApiKeyToken()];
    const { ring } = await ringOf(() => Promise.resolve([entryOf(token), entryOf(newApiKeyToken())]));
    expect(ring.find(token)).toEqual({
      keyId: apiKeyIdOf(token),
      keyName: 'a',
      scopes: ['publish'],
      topics: ['a.>'],
    });
    // The id of one with the secret of another, a changed character at either end, and texts that are not tokens.
    const wrong = [
      other,
      token.slice(0, 24) + other.slice(24),
      token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A'),
      token.slice(0, 24) + (token[24] === 'A' ? 'B' : 'A') + token.slice(25),
      token.toUpperCase(),
      `${token} `,
      '',
      '__proto__',
    ];
    for (const text of wrong) expect([text, ring.find(text)]).toEqual([text, undefined]);
  });

  it('admits no client while it knows no keys', async () => {
    const { ring, outages } = await ringOf(() => Promise.reject(new Error('down')));
    expect([ring.isKnown, ring.find(newApiKeyToken())]).toEqual([false, undefined]);
    expect(outages).toHaveLength(1);
  });

  it('says what to do when there is no key', async () => {
    const opened = ringOf(() => Promise.resolve([]));
    await expect(opened).rejects.toThrow(NoKeyError);
    await expect(opened).rejects.toThrow('sekali keys create');
  });
});
