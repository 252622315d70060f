/** An upload whose brokers go out in its middle. */
import { once } from 'node:events';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { Problem } from '#contracts';
import { createTestSystem, TcpProxy, waitFor, type TestSystem } from '#testing';
import { RunningGateway, type Answered } from '../test/running-gateway.js';

const HEADERS = { 'content-type': 'application/vnd.fdo.journal' };
const proxies: TcpProxy[] = [];

afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

const entry = (n: number): string =>
  `__CURSOR=s=7af1;i=${n}\n__REALTIME_TIMESTAMP=1795341600123456\n_SYSTEMD_UNIT=web.service\nMESSAGE=line ${n}\n\n`;

async function upload(body: string, to: RunningGateway): Promise<Answered> {
  return to.get('/upload', { method: 'POST', headers: HEADERS, body });
}

function begin(to: RunningGateway): ClientRequest {
  const request = httpRequest(new URL('/upload', to.gateway.url), { method: 'POST', headers: HEADERS });
  request.on('error', () => undefined);
  request.flushHeaders();
  return request;
}

async function messages(of: TestSystem): Promise<number> {
  const manager = await jetstreamManager(of.connection, { checkAPI: false });
  return (await manager.streams.info(of.streamName)).state.messages;
}

describe('an upload while the brokers are out', () => {
  it('waits, is refused, and is whole when it is sent again', async () => {
    const own = await createTestSystem({ settings: { SEKALI_PUBLISH_BUDGET_MS: '1500' } });
    for (const url of own.natsUrls) proxies.push(await TcpProxy.start(Number(new URL(url).port)));
    const cut = await RunningGateway.start({
      ...own.environment,
      SEKALI_NATS_URLS: proxies.map(({ port }) => `nats://127.0.0.1:${port}`).join(','),
    });
    const request = begin(cut);
    const response = once(request, 'response') as Promise<[IncomingMessage]>;
    request.write(entry(0));
    await waitFor(async () => (await messages(own)) === 1, {
      timeoutMs: 10_000,
      describe: 'the first entry',
    });
    for (const proxy of proxies) proxy.refuse();
    for (let n = 1; n < 100; n++) request.write(entry(n));
    const [answer] = await response;
    const problem = JSON.parse(await textOf(answer)) as Problem;
    expect([answer.statusCode, problem.type]).toEqual([503, 'urn:sekali:problem:not-published']);
    expect(problem['results']).toBeUndefined();
    request.destroy();
    for (const proxy of proxies) proxy.heal();
    const whole = Array.from({ length: 100 }, (_, n) => entry(n)).join('');
    await waitFor(async () => (await upload(whole, cut)).status === 202, {
      timeoutMs: 30_000,
      describe: 'the upload to be taken',
    });
    expect(await messages(own)).toBe(100);
  });
});
