import { describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { FaultProxy } from './fault-proxy.js';
import { waitFor } from './condition.js';

describe('a proxy with faults', () => {
  it('gives each request its fault, and the program behind sees those that it should', async () => {
    const bodies: string[] = [];
    const server = createServer((from, to) => {
      const chunks: Buffer[] = [];
      from.on('data', (chunk: Buffer) => chunks.push(chunk));
      from.on('end', () => {
        bodies.push(Buffer.concat(chunks).toString());
        to.writeHead(201, { 'x-own': from.headers['x-own'] ?? '' }).end(`answer to ${from.method ?? ''}`);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const refusal = { status: 503, headers: { 'retry-after': '1' }, body: 'no' } as const;
    const proxy = await FaultProxy.start(target, { faults: [refusal, 'reset', 'lose'], path: /^\/faulty/ });
    const send = async (body: string, path = '/faulty?a=1', signal?: AbortSignal): Promise<Response> =>
      fetch(`${proxy.url}${path}`, {
        method: 'POST',
        body,
        headers: { 'x-own': 'kept' },
        ...(signal && { signal }),
      });

    const other = await send('other', '/other');
    expect([other.status, other.headers.get('x-own'), await other.text()]).toEqual([
      201,
      'kept',
      'answer to POST',
    ]);
    const refused = await send('refused');
    expect([refused.status, refused.headers.get('retry-after'), await refused.text()]).toEqual([
      503,
      '1',
      'no',
    ]);
    await expect(send('reset')).rejects.toThrow();
    await expect(send('lost')).rejects.toThrow();
    proxy.faults.push('hold');
    const giveUp = new AbortController();
    const held = send('held', '/faulty', giveUp.signal);
    await waitFor(() => proxy.seen[4]?.status === 201, {
      timeoutMs: 5_000,
      describe: 'the answer behind',
    });
    giveUp.abort();
    await expect(held).rejects.toThrow();
    expect((await send('x'.repeat(200_000))).status).toBe(201);

    expect(bodies).toEqual(['other', 'lost', 'held', 'x'.repeat(200_000)]);
    expect(proxy.seen.map(({ fault, status }) => [fault, status])).toEqual([
      ['pass', 201],
      [refusal, undefined],
      ['reset', undefined],
      ['lose', 201],
      ['hold', 201],
      ['pass', 201],
    ]);
    server.close();
    server.closeAllConnections();
  });
});
