#!/usr/bin/env node
/**
 * `npm run screenshots` makes a picture of each view of the page, light, dark and on a phone.
 *
 * They go to dist/screenshots, or to the folder that is given. It starts a system of its own (`sekali up --ephemeral`), sends it events, repeats, a conflict and messages that are
 * no events, and stops it at the end. It needs a Chromium, see chromium.mjs.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '@nats-io/transport-node';
import { chromium } from 'playwright-core';
import { findChromium } from '../chromium.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const sekali = join(root, 'apps', 'cli', 'bin', 'sekali.mjs');
const folder = process.argv[2] ?? join(root, 'dist', 'screenshots');
const executablePath = findChromium();
if (executablePath === undefined) {
  process.stderr.write('There is no Chromium: install one, or set SEKALI_CHROMIUM to its path.\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

const LOOKS = [
  ['light', { colorScheme: 'light', viewport: { width: 1200, height: 860 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1200, height: 860 } }],
  ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 }],
];
/** A view, and a text that is there when its answers have arrived. */
const VIEWS = [
  ['now', '#/now', 'It balances.'],
  ['explore', '#/explore?topic=simulated.>', 'live: what is stored'],
  ['event', '#/event?topic=orders.created&id=o-1', 'with another payload'],
  ['dead-letters', '#/dead-letters', 'not_json'],
  ['topics', '#/topics', 'Of the newest'],
  ['system', '#/system', 'are needed'],
];

const up = spawn(process.execPath, [sekali, 'up', '--ephemeral', '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
let simulated;
try {
  const { gateway, nats } = await ready();
  await takeEmpty(gateway);
  await send(gateway, nats[0]);
  simulated = run(['simulate', '--gateway', gateway, '--events', '60000', '--rate', '1500']);
  for (const [look, options] of LOOKS) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    for (const [name, place, text] of VIEWS) {
      await page.goto(`${gateway}/${place}`);
      await page.getByText(text).first().waitFor();
      // The chart needs some figures.
      if (name === 'now') await page.waitForTimeout(look === 'light' ? 16_000 : 12_000);
      // System is longer than a screen, and all of it is inspected.
      await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: name === 'system' });
    }
    await page.goto(`${gateway}/#/dead-letters`);
    await page.locator('tbody input[type=checkbox]').first().check();
    await page.getByRole('button', { name: 'Drop all that match…' }).click();
    await page.getByRole('dialog').waitFor();
    await page.screenshot({ path: join(folder, `drop-${look}.png`) });
    await page.keyboard.press('Escape');
    await page.locator('tbody tr a[href*="id="]').first().click();
    await page.getByText('Message').first().waitFor();
    await page.screenshot({ path: join(folder, `dead-letter-${look}.png`) });
    await context.close();
  }
} finally {
  await browser.close();
  simulated?.kill('SIGINT');
  up.kill('SIGINT');
  await new Promise((resolve) => up.once('exit', resolve));
}

async function ready() {
  for await (const line of createInterface({ input: up.stdout })) {
    const said = JSON.parse(line);
    if (said.event === 'ready') {
      up.stdout.resume();
      return said;
    }
  }
  throw new Error('the system did not start');
}

function run(args) {
  return spawn(process.execPath, [sekali, ...args], { stdio: 'ignore' });
}

async function takeEmpty(gateway) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 860 } });
  await page.goto(gateway);
  await page.getByText('Nothing has arrived yet').waitFor();
  await page.screenshot({ path: join(folder, 'empty-light.png') });
  await page.close();
}

async function send(gateway, natsUrl) {
  const event = (id, payload) => ({
    ...{ topic: 'orders.created', event_id: id, timestamp: new Date().toISOString(), source: 'checkout' },
    payload,
  });
  const order = { total: 12.5, currency: 'EUR', lines: [{ sku: 'A-17', count: 2 }] };
  for (const events of [
    [event('o-1', order)],
    [event('o-1', order)],
    [event('o-1', { ...order, total: 13 })],
  ]) {
    await fetch(`${gateway}/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(events),
    });
  }
  const { username, password, host } = new URL(natsUrl);
  const connection = await connect({ servers: host, user: username, pass: password });
  for (let n = 1; n <= 12; n++)
    connection.publish('events.orders.created', `{"event_id": "o-${n + 100}", "total":`);
  for (let n = 1; n <= 4; n++)
    connection.publish(
      'events.payments',
      JSON.stringify({ event_id: `p-${n}`, source: 'bank', payload: { amount: n } }),
    );
  await connection.flush();
  await connection.close();
}
