/** How a connection proves who it is, to brokers that ask. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type BrokerCluster, startBrokers } from '#local-cluster';
import { connectBroker } from './connection.js';

let folder: string;
let cluster: BrokerCluster;
let url: URL;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-connection-'));
  cluster = await startBrokers({ dataDirectory: folder, nodes: 1, withPassword: true });
  url = new URL(cluster.urls[0] ?? '');
});

afterAll(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
});

const connect = (urls: string): ReturnType<typeof connectBroker> =>
  connectBroker({ urls, name: 'test' }, { waitForFirst: false });

describe('an address of a broker', () => {
  it.each<[string, () => string]>([
    ['in it', () => url.href],
    ['in one of several', () => `127.0.0.1:1, nats://${url.username}:${url.password}@${url.host}`],
    ['without a scheme', () => `${url.username}:${url.password}@${url.host}`],
    ['written as URLs are', () => `nats://%73ekali:${url.password}@${url.host}`],
  ])('signs in with the user and the password %s', async (_, urls) => {
    const connection = await connect(urls());
    expect(connection.info?.auth_required).toBe(true);
    expect(JSON.stringify([connection.getServer(), connection.info])).not.toContain(url.password);
    await connection.close();
  });

  it.each<[string, () => string]>([
    ['without them', () => url.host],
    ['with others', () => `nats://sekali:wrong@${url.host}`],
    ['with a token alone', () => `nats://${url.password}@${url.host}`],
  ])('is refused %s, and the error does not tell them', async (_, urls) => {
    const error: unknown = await connect(urls()).catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(/authorization/i);
    expect(String(error)).not.toMatch(new RegExp(`wrong|${url.password}`));
  });

  it('must not name another user than its neighbours', async () => {
    await expect(connect(`${url.href},nats://other:secret@127.0.0.1:1`)).rejects.toThrow(
      /^SEKALI_NATS_URLS: the user and the password must be the same in every address that has them$/,
    );
  });

  it('is kept when it does not answer the first time: another broker may be there later', async () => {
    const dead = '127.0.0.1:1';
    const connection = await connectBroker(
      { urls: `${url.href},nats://${dead}`, name: 'test', discovery: false },
      // The dead one first, as long as the client has it.
      { waitForFirst: false, choose: (servers) => servers.find(({ listen }) => listen === dead) ?? null },
    );
    const listens = connection.getServers().map(({ listen }) => listen);
    await connection.close();
    expect(listens).toEqual(expect.arrayContaining([dead, url.host]));
  });
});
