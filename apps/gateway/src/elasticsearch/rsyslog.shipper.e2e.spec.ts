/** rsyslog with the configuration of the README, through faults on both sides of the gateway. */
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { FaultProxy, waitFor } from '#testing';
import {
  COUNT,
  logLines,
  machineFolder,
  pageConfiguration,
  ShipperTrial,
  startShipper,
  type Shipper,
} from '../test/shipper-trial.js';

/** What rsyslog sends at once, by the README. */
const BATCH = 100;
const RSYSLOG: Shipper = {
  program: 'usr/sbin/rsyslogd',
  libraries: ['usr/lib/<machine>'],
  args: (file, folder) => ['-n', '-f', file, '-i', join(folder, 'pid')],
  environment: (root) => ({ RSYSLOG_MODDIR: join(root, 'usr/lib', machineFolder(root), 'rsyslog') }),
};

async function startRsyslog(gatewayUrl: string): Promise<number> {
  const { port } = new URL(gatewayUrl);
  const output = pageConfiguration('omelasticsearch', ['serverport="8080"', `serverport="${port}"`]);
  return startShipper(
    RSYSLOG,
    (inputPort) =>
      `module(load="imptcp")\ninput(type="imptcp" address="127.0.0.1" port="${inputPort}")\n${output}`,
  );
}

describe('rsyslog', () => {
  it('has each of 10,000 lines stored once, and loses a batch to a 503 alone', async () => {
    const trial = await ShipperTrial.start();
    const proxy = await FaultProxy.start(trial.url, {
      faults: ['reset', 'pass', 'lose', 'pass'],
      path: /_bulk/,
    });
    const port = await startRsyslog(proxy.url);
    await logLines(port, 'reset');
    await trial.expectAllStored('reset', 60_000);
    expect(await trial.seventh()).toMatchObject({
      source: 'web-1',
      timestamp: new Date('2026-11-28T03:00:00.123Z'),
      payload: { '@timestamp': '2026-11-28T10:00:00.123456+07:00', host: 'web-1', program: 'reset' },
    });

    for (const broker of trial.brokers) broker.hang();
    const before = proxy.seen.length;
    await logLines(port, 'refused');
    await waitFor(() => proxy.seen.slice(before).some(({ status }) => status === 200), {
      timeoutMs: 30_000,
      describe: 'lines to be refused',
    });
    for (const broker of trial.brokers) broker.heal();
    await trial.expectAllStored('refused', 120_000);

    // This version does not read the status. It takes the whole batch for delivered.
    proxy.faults.push('pass', { status: 503, headers: { 'content-type': 'application/json' }, body: '{}' });
    await logLines(port, 'lost');
    await logLines(port, 'after');
    await trial.expectAllStored('after', 60_000);
    const { events, messages } = await trial.stored('lost');
    expect(events).toBe(messages);
    expect(COUNT - messages).toBeGreaterThan(0);
    expect(COUNT - messages).toBeLessThanOrEqual(BATCH);
  }, 300_000);
});
