/** The server of metrics: which hosts it serves, and that connections which send nothing do not keep others out. */
import { connect, type Socket } from 'node:net';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { hostTest, listenForMetrics, type MetricsEndpoint } from './metrics-endpoint.js';
import { ProgramMetrics } from './program-metrics.js';

let endpoint: MetricsEndpoint;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  const metrics = new ProgramMetrics('gateway');
  endpoint = await listenForMetrics({ host: '127.0.0.1', hosts: 'gateway.example', port: 0, metrics });
});

afterEach(() => {
  endpoint.close();
  for (const socket of sockets) socket.destroy();
});

const port = (): number => Number(new URL(endpoint.url).port);

async function statusFor(host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: port(), path: '/metrics', headers: { host }, agent: false };
    const sent = request(options, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.once('error', reject).end();
  });
}

describe('the server of metrics', () => {
  it('serves addresses, names without a dot and names of the setting, and no other name', async () => {
    const served = [
      'localhost',
      '127.0.0.1:9464',
      '[::1]:9464',
      'gateway-1:9464',
      'Gateway.Example',
      '10.1.2.3',
    ];
    for (const host of served) expect([host, await statusFor(host)]).toEqual([host, 200]);
    const refused = [
      'rebound.example',
      'rebound.example:9464',
      'localhost.',
      '[rebound.example]',
      'a b',
      '@x',
    ];
    for (const host of refused) expect([host, await statusFor(host)]).toEqual([host, 421]);
  });

  it('serves its own name', () => {
    expect(hostTest({ host: 'worker.internal' })('worker.internal:9464')).toBe(true);
    expect(hostTest({ host: 'worker.internal' })(undefined)).toBe(false);
  });

  it('ends connections that send nothing, so that a scrape finds room again', async () => {
    for (let n = 0; n < 40; n++) {
      const socket = connect(port(), '127.0.0.1');
      socket.on('error', () => undefined);
      sockets.push(socket);
    }
    await waitFor(async () => (await statusFor('localhost').catch(() => 0)) === 200, {
      ...{ timeoutMs: 20_000, intervalMs: 250, describe: 'a scrape' },
    });
  }, 40_000);
});
