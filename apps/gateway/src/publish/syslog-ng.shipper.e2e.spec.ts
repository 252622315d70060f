/** syslog-ng with the configuration of the README, through faults on both sides of the gateway. */
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { FaultProxy, waitFor } from '#testing';
import {
  logLines,
  pageConfiguration,
  ShipperTrial,
  startShipper,
  type Shipper,
} from '../test/shipper-trial.js';

const SYSLOG_NG: Shipper = {
  program: 'usr/sbin/syslog-ng',
  libraries: ['usr/lib/syslog-ng', 'usr/lib/<machine>', 'lib/<machine>'],
  args: (file, folder, root) => [
    '--foreground',
    '--no-caps',
    `--cfgfile=${file}`,
    `--persist-file=${join(folder, 'persist')}`,
    `--pidfile=${join(folder, 'pid')}`,
    `--control=${join(folder, 'control')}`,
    `--module-path=${join(root, 'usr/lib/syslog-ng/3.38')}`,
  ],
};

async function startSyslogNg(gatewayUrl: string): Promise<number> {
  const { origin } = new URL(gatewayUrl);
  const page = pageConfiguration('batch-lines(', ['http://127.0.0.1:8080', origin]);
  return startShipper(SYSLOG_NG, (inputPort) => {
    const input = `network(ip("127.0.0.1") port(${inputPort}) transport("tcp") flags(syslog-protocol))`;
    return `${page}\nlog { source { ${input}; }; destination(sekali); flags(flow-control); };\n`;
  });
}

const answer = (status: number): { status: number; headers: Record<string, string>; body: string } => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: JSON.stringify({ status }),
});

describe('syslog-ng', () => {
  it('has each of 10,000 lines stored once, whatever a request meets', async () => {
    const trial = await ShipperTrial.start();
    const proxy = await FaultProxy.start(trial.url, {
      faults: [answer(503), answer(429), 'reset', 'lose', 'pass', 'lose', answer(503), 'pass', answer(413)],
      path: /publish/,
    });
    const port = await startSyslogNg(proxy.url);
    await logLines(port, 'faults');
    await trial.expectAllStored('faults', 120_000);
    expect(proxy.faults).toEqual([]);
    expect(await trial.seventh()).toMatchObject({
      source: 'web-1',
      timestamp: new Date('2026-11-28T03:00:00.123Z'),
      payload: { program: 'faults', message: '"message" 7' },
    });

    for (const broker of trial.brokers) broker.hang();
    const before = proxy.seen.length;
    await logLines(port, 'outage');
    await waitFor(() => proxy.seen.slice(before).some(({ status }) => status === 503), {
      timeoutMs: 30_000,
      describe: 'lines to be refused',
    });
    for (const broker of trial.brokers) broker.heal();
    await trial.expectAllStored('outage', 120_000);
  }, 300_000);
});
