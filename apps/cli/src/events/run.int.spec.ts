/** Listing events from a gateway whose page waits for an event, over real HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { listEvents } from './run.js';

const RETRY_AFTER_SECONDS = 1;
/** A timer may end a little early. */
const EARLY_MS = 50;

it('waits before the next page as long as an empty one asks for', async () => {
  const askedMs: number[] = [];
  const server = createServer((request, response) => {
    askedMs.push(performance.now());
    const isWaiting = !(request.url ?? '').includes('cursor=next');
    const link = `<http://${request.headers.host ?? ''}/events?cursor=next>; rel="next"`;
    response.writeHead(200, isWaiting ? { link, 'retry-after': String(RETRY_AFTER_SECONDS) } : {}).end('[]');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await listEvents({ gateway, limit: 10 })).toBe(0);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  const [first = 0, second = 0, ...others] = askedMs;
  expect(others).toEqual([]);
  expect(second - first).toBeGreaterThan(RETRY_AFTER_SECONDS * 1_000 - EARLY_MS);
});
