import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  jetstream,
  jetstreamManager,
  type JetStreamClient,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { once } from 'node:events';
import { createConnection, createServer, type Server } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from '#waiting';
import { startBrokers, type BrokerCluster } from './broker-cluster.js';
import { drawFreePorts } from './free-port.js';

let folder: string;
let clusters: BrokerCluster[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-brokers-'));
  clusters = [];
});
afterEach(async () => {
  await Promise.all(clusters.map((cluster) => cluster.stop({ timeoutMs: 1_000 })));
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<Parameters<typeof startBrokers>[0]> = {}): Promise<BrokerCluster> {
  const cluster = await startBrokers({ dataDirectory: folder, ...options });
  clusters.push(cluster);
  return cluster;
}

interface Client {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

async function withClient(cluster: BrokerCluster, work: (client: Client) => Promise<void>): Promise<void> {
  const connection = await connect({ servers: cluster.urls });
  try {
    // The nodes may still be electing a leader, and answer no request before that.
    const jsm = await jetstreamManager(connection, { checkAPI: false });
    await work({ connection, js: jetstream(connection), jsm });
  } finally {
    await connection.close();
  }
}

describe('a broker cluster', () => {
  it('elects a leader, survives SIGKILL of a node, and that node comes back with its data', async () => {
    const cluster = await start();
    expect(cluster.nodes.map((node) => node.name)).toEqual(['nats-1', 'nats-2', 'nats-3']);
    expect(await cluster.metaLeader()).toMatch(/^nats-[123]$/);
    await withClient(cluster, keepOne);

    const victim = cluster.node('nats-2');
    const pidBefore = victim.pid;
    const exited = victim.exited;
    victim.kill('SIGKILL');
    expect(await exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(victim.pid).toBeUndefined();
    await victim.start();
    expect(victim.pid).not.toBe(pidBefore);

    await withClient(cluster, async ({ jsm }) => {
      const info = await streamOnceItHolds(jsm, 1);
      expect(info?.state.messages).toBe(1);
      const peers = [info?.cluster?.leader, ...(info?.cluster?.replicas ?? []).map((peer) => peer.name)];
      expect(peers).toContain('nats-2');
    });
  });

  it('keeps its data over a restart of all nodes on other ports', async () => {
    const first = await start();
    await withClient(first, keepOne);
    await first.stop();
    const second = await start();
    expect(second.urls).not.toEqual(first.urls);
    await withClient(second, async ({ jsm }) => {
      expect((await streamOnceItHolds(jsm, 1))?.state.messages).toBe(1);
    });
  });

  it('takes no client and no node without its password, also where the data is older than that', async () => {
    const older = await start();
    await withClient(older, keepOne);
    await older.stop();
    const cluster = await start({ withPassword: true });
    const urls = cluster.urls.map((url) => new URL(url));
    const [first] = urls as [URL];
    expect(first.password).toMatch(/^[\w-]{32}$/);
    const servers = urls.map(({ host }) => host);
    await expect(connect({ servers, reconnect: false })).rejects.toThrow(/authorization/i);
    const signIn = { user: first.username, pass: first.password };
    await expect(connect({ servers, user: 'sekali', pass: 'other', reconnect: false })).rejects.toThrow(
      /authorization/i,
    );
    const connection = await connect({ servers, ...signIn });
    const manager = await jetstreamManager(connection, { checkAPI: false });
    expect((await streamOnceItHolds(manager, 1))?.state.messages).toBe(1);
    await connection.close();
    expect(await greetingAsNode(cluster.node('nats-1').routePort)).toMatch(/authorization violation/i);

    await cluster.stop();
    const again = await start({ withPassword: true });
    expect(again.urls.map((url) => new URL(url).password)).toEqual(urls.map(({ password }) => password));
  });

  it('is a single server without a cluster for one node', async () => {
    const cluster = await start({ nodes: 1, syncInterval: 'always' });
    await withClient(cluster, async ({ connection, jsm }) => {
      expect(connection.info?.cluster).toBeUndefined();
      expect((await jsm.getAccountInfo()).streams).toBe(0);
    });
  });

  it('names a chosen port that is busy and leaves no process', async () => {
    const [port] = (await drawFreePorts(1)) as [number];
    const occupant = await listen(port);
    const pids: number[] = [];
    const started = startBrokers({
      dataDirectory: folder,
      nodes: 1,
      clientPorts: [port],
      onNodes: (nodes) => nodes.forEach((node) => node.process.onStart((pid) => pids.push(pid))),
    });
    await expect(started).rejects.toThrow(`Port ${port} for a broker is in use.`);
    occupant.close();
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('fails with the end of the log when a server does not start', async () => {
    await expect(start({ nodes: 1, syncInterval: 'sometimes' })).rejects.toMatchObject({
      name: 'LocalClusterError',
      message: expect.stringMatching(
        /^nats-1 ended while it started: .*sync_interval.*\(log: .*nats-1\.log\)$/,
      ),
    });
  });
});

/**
 * Creates a stream with one message. During an election, the brokers answer no request, on a busy machine for longer
 * than the client waits. So both requests are retried, as setup does, and may be repeated.
 */
async function keepOne({ js, jsm }: Client): Promise<void> {
  let failure: unknown;
  const ask = async (): Promise<true | undefined> => {
    try {
      await jsm.streams.add({ name: 'S', subjects: ['s.>'], num_replicas: 3 });
      await js.publish('s.1', 'kept', { msgID: 'kept' });
      return true;
    } catch (error) {
      failure = error;
      return undefined;
    }
  };
  if ((await poll(ask, { timeoutMs: 30_000 })) === undefined) throw failure;
}

/**
 * Inspects the stream until it shows `messages`, for 30 s. Healthy nodes may still be electing a leader for it. A new
 * leader answers before it has applied its whole log, and then shows too few messages.
 *
 * @returns the last state; `undefined` when there was none
 */
async function streamOnceItHolds(jsm: JetStreamManager, messages: number): Promise<StreamInfo | undefined> {
  let seen: StreamInfo | undefined;
  const probe = async (): Promise<true | undefined> => {
    seen = await jsm.streams.info('S').catch(() => undefined);
    return seen?.state.messages === messages ? true : undefined;
  };
  await poll(probe, { timeoutMs: 30_000 });
  return seen;
}

/** A node's answer to a client that pretends to be a node. */
async function greetingAsNode(port: number): Promise<string> {
  const socket = createConnection(port, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk) => (heard += chunk.toString())).on('error', () => undefined);
  socket.write(
    'CONNECT {"verbose":false,"name":"N","server_id":"N","lang":"go","version":"2.14.0","protocol":1}\r\n',
  );
  await once(socket, 'close');
  return heard;
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
