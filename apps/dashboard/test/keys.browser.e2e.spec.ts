/** Where a gateway asks for keys, one signs in with a key, which the tab alone keeps. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { apiKeyHash, apiKeyIdOf, newApiKeyToken, type ApiKeyScope } from '#contracts';
import { insertApiKeys } from '#store';
import { createTestSystem, startApp, type App, type TestSystem } from '#testing';
import { OpenedPage } from './opened-page.js';

const START_MS_MAX = 60_000;

let system: TestSystem;
let gateway: App;
let reader: string;
let operator: string;

async function keyWith(...scopes: ApiKeyScope[]): Promise<string> {
  const token = newApiKeyToken();
  const key = { key_id: apiKeyIdOf(token) ?? '', name: scopes.join(' '), scopes, topics: null };
  await insertApiKeys(system.pool, [{ ...key, hash: apiKeyHash(token) }]);
  return token;
}

beforeAll(async () => {
  system = await createTestSystem();
  reader = await keyWith('read');
  operator = await keyWith('read', 'admin');
  gateway = await startApp('gateway', { ...system.environment, SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true' });
}, START_MS_MAX);

async function signIn(opened: OpenedPage, key: string): Promise<void> {
  await opened.page.getByLabel('Key').fill(key);
  await opened.page.getByRole('button', { name: 'Sign in' }).click();
}

describe('signing in', () => {
  it('is asked for, refuses a wrong key with its reason, and shows the figures with a right one', async () => {
    const opened = await OpenedPage.open(gateway.url);
    await opened.shows('This gateway asks for a key');
    expect(await opened.violations()).toEqual([]);
    await signIn(opened, newApiKeyToken());
    await opened.shows('The API key is not one of this system, or was revoked.');
    await signIn(opened, reader);
    await opened.shows('Nothing has arrived yet');
    expect(opened.page.url()).not.toContain(reader);
    expect(await opened.page.evaluate('localStorage.length + document.cookie.length')).toBe(0);
    expect(opened.ownMessages).toEqual([]);
    await opened.close();
  });

  it('says which scope is missing, and shows dead letters to a key that has it', async () => {
    const opened = await OpenedPage.open(gateway.url, '#/dead-letters');
    await signIn(opened, reader);
    await opened.shows('This needs a key with the scope admin');
    await opened.page.getByRole('button', { name: 'Sign out' }).click();
    await signIn(opened, operator);
    await opened.shows('There are no open dead letters');
    expect(await opened.page.getByRole('heading', { level: 1 }).innerText()).toBe('Dead letters');
    await opened.close();
  });

  it('sends the key for a file, too', async () => {
    const opened = await OpenedPage.open(gateway.url, '#/explore');
    await signIn(opened, reader);
    const { name, text } = await opened.download('CSV');
    expect([name, text]).toEqual(['events.csv', expect.stringMatching(/^topic,event_id,.*\n$/)]);
    await opened.shows(`${text.length} bytes loaded`);
    expect(opened.ownMessages).toEqual([]);
    await opened.close();
  });

  it('is for one tab, and ends when one signs out', async () => {
    const opened = await OpenedPage.open(gateway.url);
    await signIn(opened, reader);
    await opened.shows('Nothing has arrived yet');
    const other = await opened.page.context().newPage();
    await other.goto(gateway.url);
    await other.getByText('This gateway asks for a key').waitFor();
    await opened.page.getByRole('button', { name: 'Sign out' }).click();
    await opened.shows('This gateway asks for a key');
    expect(await opened.page.evaluate('sessionStorage.length')).toBe(0);
    await opened.close();
  });
});
