import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { TcpLink } from './tcp-link.js';

const TIMEOUT_MS = 3_000;

/** A client, and everything that it received. */
class Caller {
  readonly socket: Socket;
  heard = '';
  failed: string | undefined;
  ended = false;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect({ host: hostname, port: Number(port) });
    this.socket.on('data', (bytes) => (this.heard += bytes.toString()));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.failed = error.code));
    this.socket.on('close', () => (this.ended = true));
  }

  async hears(text: string, timeoutMs = TIMEOUT_MS): Promise<void> {
    await waitFor(() => this.heard === text, { timeoutMs, describe: `"${text}" to be heard` });
  }

  async isReset(): Promise<void> {
    await waitFor(() => this.failed === 'ECONNRESET', { timeoutMs: TIMEOUT_MS, describe: 'a reset' });
  }
}

describe('a link through proxies', () => {
  let server: Server;
  let served: Socket[];
  let link: TcpLink;
  let url: string;
  let otherUrl: string;
  let callers: Caller[];

  beforeEach(async () => {
    served = [];
    callers = [];
    server = createServer((socket) => {
      served.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => socket.write(`<${bytes.toString()}>`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const started = await TcpLink.start('worker-postgres', [
      `postgres://user:secret@127.0.0.1:${port}/name`,
      `nats://127.0.0.1:${port}`,
    ]);
    link = started.link;
    [url, otherUrl] = started.urls as [string, string];
  });

  afterEach(async () => {
    for (const { socket } of callers) socket.destroy();
    await link.close();
    for (const socket of served) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  });

  function call(): Caller {
    const caller = new Caller(url);
    callers.push(caller);
    return caller;
  }

  async function talk(): Promise<Caller> {
    const caller = call();
    caller.socket.write('one');
    await caller.hears('<one>');
    return caller;
  }

  it('gives each address a separate listener, and leaves the rest of the URL as it was', () => {
    expect(url).toMatch(/^postgres:\/\/user:secret@127\.0\.0\.1:\d+\/name$/);
    expect(otherUrl).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect(new URL(otherUrl).port).not.toBe(new URL(url).port);
  });

  it('passes bytes in both directions, and the end after them', async () => {
    const caller = call();
    caller.socket.end('last');
    await caller.hears('<last>');
    await waitFor(() => caller.ended, { timeoutMs: TIMEOUT_MS, describe: 'the end' });
    expect(caller.failed).toBeUndefined();
  });

  it('passes more than its backlog without losing or reordering a byte', async () => {
    const sent = Array.from({ length: 200_000 }, (_, index) => `${index},`)
      .join('')
      .repeat(8);
    const sink = createServer((socket) => {
      let length = 0;
      let text = '';
      socket.on('data', (bytes) => {
        length += bytes.length;
        text += bytes.toString();
      });
      socket.on('end', () => socket.end(text === sent ? 'whole' : `broken after ${length}`));
    });
    await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
    const { port } = sink.address() as { port: number };
    const started = await TcpLink.start('worker-broker', [`nats://127.0.0.1:${port}`]);
    started.link.delay(20);
    const caller = new Caller(started.urls[0] as string);
    callers.push(caller);
    caller.socket.end(sent);
    await caller.hears('whole');
    expect(caller.failed).toBeUndefined();
    await started.link.close();
    await new Promise((resolve) => sink.close(resolve));
  });

  it('delays what passes, and keeps the connection when it is healed', async () => {
    const caller = await talk();
    link.delay(150);
    const askedAt = performance.now();
    caller.socket.write('two');
    await caller.hears('<one><two>');
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(290);
    // The test would end before this delay, so whatever arrives was not delayed.
    link.delay(3_600_000);
    link.heal();
    caller.socket.write('three');
    await caller.hears('<one><two><three>');
    expect(served).toHaveLength(1);
  });

  it('cuts: open connections are reset, new ones too, until it is healed', async () => {
    const caller = await talk();
    link.cut();
    await caller.isReset();
    await waitFor(() => served[0]?.destroyed, {
      timeoutMs: TIMEOUT_MS,
      describe: 'the other side to be reset',
    });
    await call().isReset();
    expect(served).toHaveLength(1);
    link.heal();
    await talk();
  });

  it('swallows bytes like a black hole, and resets what hung when it is healed', async () => {
    const caller = await talk();
    link.blackHole();
    caller.socket.write('lost');
    const late = call();
    late.socket.write('lost too');
    await waitFor(() => late.socket.readyState === 'open', {
      timeoutMs: TIMEOUT_MS,
      describe: 'it to be taken',
    });
    served[0]?.destroy();
    // This is time enough for anything to arrive.
    await expect(caller.hears('<one><lost>', 300)).rejects.toThrow(/Waited/);
    expect([caller.ended, late.ended, late.heard]).toEqual([false, false, '']);
    expect(served).toHaveLength(1);
    link.heal();
    await Promise.all([caller.isReset(), late.isReset()]);
    await talk();
  });

  it('leaves connections half open: one side is gone, the other does not notice, new ones pass', async () => {
    const first = await talk();
    const second = await talk();
    link.halfOpen();
    await waitFor(() => served[0]?.destroyed, {
      timeoutMs: TIMEOUT_MS,
      describe: 'the far side of the first',
    });
    await second.isReset();
    first.socket.write('to the closed side');
    await talk();
    expect([first.ended, served[1]?.destroyed]).toEqual([false, false]);
    link.heal();
    await first.isReset();
    await waitFor(() => served[1]?.destroyed, {
      timeoutMs: TIMEOUT_MS,
      describe: 'the far side of the second',
    });
  });

  it('passes a failure on: when no program listens behind it, the caller is reset', async () => {
    await new Promise((resolve) => server.close(resolve));
    const caller = call();
    await caller.isReset();
    expect(served).toHaveLength(0);
  });
});
