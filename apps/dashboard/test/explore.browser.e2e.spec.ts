/** Stored events on the page: filtered, newest first, live and paused, with what came meanwhile. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createTestSystem, waitFor } from '#testing';
import { OpenedPage } from './opened-page.js';
import { event, PageSystem } from './page-system.js';

const START_MS_MAX = 60_000;

let system: PageSystem;

beforeAll(async () => {
  system = await PageSystem.start(await createTestSystem());
  await system.publish(
    event('a-1', { status: 200, text: 'all is well' }),
    event('a-2', { status: 500, text: 'It Failed' }),
    event('b-1', { status: 500 }, 'payments'),
  );
  await system.settles(3);
}, START_MS_MAX);

async function expectRows(opened: OpenedPage, ...texts: string[]): Promise<void> {
  await waitFor(
    async () => {
      const rows = await opened.page.locator('.event .line code').allInnerTexts();
      return rows.length === texts.length && rows.every((row, index) => row.includes(texts[index] ?? ''));
    },
    { timeoutMs: 15_000, describe: `the rows ${texts.join(', ')}` },
  );
}

describe('the view Explore', () => {
  it('shows the newest events first, and counts of the last hour', async () => {
    const opened = await OpenedPage.open(system.url, '#/explore');
    await opened.page.locator('.event').nth(2).waitFor();
    await opened.shows('live: what is stored appears by itself');
    expect(await opened.page.locator('.event').count()).toBe(3);
    expect(await opened.page.locator('.legend li').first().innerText()).toMatch(/stored\s+3/);
    expect(await opened.violations()).toEqual([]);
    expect(opened.messages).toEqual([]);
    await opened.close();
  });

  it.each([
    ['topic=payments', ['"status":500']],
    ['where=payload.status:500&topic=orders.created', ['It Failed']],
    ['q=failed', ['It Failed']],
    ['source=none', []],
  ])('shows what the address selects: %s', async (query, rows) => {
    const opened = await OpenedPage.open(system.url, `#/explore?${query}`);
    if (rows.length === 0) await opened.shows('No stored event is selected');
    await expectRows(opened, ...rows);
    await opened.close();
  });

  it('leads from a member of an event to its frequent values, and to the events that have one', async () => {
    const opened = await OpenedPage.open(system.url, '#/explore?topic=orders.created&window=day');
    await opened.shows('The last day of orders.created');
    await opened.page.locator('.event .line').first().click();
    await opened.page.getByText('Search by a member').click();
    await opened.page.getByRole('link', { name: 'status', exact: true }).click();
    await opened.shows('Frequent values of payload.status');
    await opened.shows('All stored events were inspected: 2 events matched, and 2 of them have the member.');
    await opened.shows('The last day of orders.created');
    expect(await opened.violations()).toEqual([]);
    const values = opened.page.getByRole('region', { name: 'Table of values' });
    await values.getByRole('link', { name: '500', exact: true }).click();
    await expectRows(opened, 'It Failed');
    expect(await opened.page.getByLabel('Members').inputValue()).toBe('payload.status:500');
    expect(opened.messages).toEqual([]);
    await opened.close();
  });

  it('has what is selected as a file', async () => {
    const opened = await OpenedPage.open(system.url, '#/explore?topic=payments');
    const csv = await opened.download('CSV');
    expect(csv.name).toBe('events.csv');
    expect(csv.text.split('\n').map((line) => line.split(',', 2).join())).toEqual([
      ...['topic,event_id', 'payments,b-1', ''],
    ]);
    const lines = (await opened.download('NDJSON')).text.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { event_id: string }).event_id)).toEqual(['b-1']);
    await opened.close();
  });

  it('shows what is stored by itself, and keeps still while it is paused', async () => {
    const opened = await OpenedPage.open(system.url, '#/explore?topic=live');
    await opened.shows('live: what is stored appears by itself');
    await system.publish(event('l-1', { n: 1 }, 'live'));
    await expectRows(opened, '"n":1');
    await opened.page.locator('.event .line').first().click();
    await opened.shows('What happened to it');
    await system.publish(event('l-2', { n: 2 }, 'live'), event('l-3', { n: 3 }, 'live'));
    await opened.shows('2 events came meanwhile');
    await expectRows(opened, '"n":1');
    expect(await opened.violations()).toEqual([]);
    await opened.page.getByRole('button', { name: 'Show 2 new events, and go on' }).click();
    await waitFor(async () => (await opened.page.locator('.event').count()) === 3, {
      timeoutMs: 10_000,
      describe: 'three rows',
    });
    await opened.close();
  });

  it('shows each event once, also where the stream and older pages bring it again', async () => {
    const before = await fetch(`${system.url}/events?topic=overlap&order=desc`);
    const cursor = before.headers.get('sekali-cursor') ?? '';
    const events = Array.from({ length: 60 }, (_, n) => event(`overlap-${n}`, { n }, 'overlap'));
    await system.publish(...events);
    await system.settles(3 + events.length);
    const answer = await fetch(`${system.url}/events?topic=overlap&order=desc&limit=100`);
    const stored = (await answer.json()) as { payload: object }[];
    const opened = await OpenedPage.open(system.url);
    // A horizon that lags makes the stream begin further back.
    let streams = 0;
    await opened.page.route('**/events/stream?*', async (route) => {
      streams += 1;
      await route.continue({ headers: { ...route.request().headers(), 'last-event-id': cursor } });
    });
    await opened.go('#/explore?topic=overlap');
    const rows = stored.map(({ payload }) => JSON.stringify(payload));
    await expectRows(opened, ...rows);
    expect(streams).toBe(1);
    await opened.page.getByRole('button', { name: 'Show older ones' }).dblclick();
    await opened.page.getByRole('button', { name: 'Show older ones' }).waitFor({ state: 'detached' });
    await expectRows(opened, ...rows);
    await opened.close();
  });

  it('does not say that it is live while the list cannot be read, and reads it again', async () => {
    const opened = await OpenedPage.open(system.url, '#/explore?topic=busy');
    await opened.shows('live: what is stored appears by itself');
    await opened.page.getByRole('button', { name: 'Pause' }).click();
    // More than a paused list keeps, so that it is read again.
    await system.publish(...Array.from({ length: 501 }, (_, n) => event(`busy-${n}`, { n }, 'busy')));
    await opened.shows('501 events came meanwhile');
    const list = /\/events\?.*topic=busy/;
    // The stream goes on, and only the list fails.
    await opened.page.route(list, async (route) => route.abort());
    await opened.page.getByRole('button', { name: 'Show 501 new events, and go on' }).click();
    await opened.shows('The gateway does not answer: no connection.');
    expect(await opened.text()).toContain('interrupted; it goes on by itself');
    expect(await opened.text()).not.toContain('live: what is stored');
    await opened.page.unroute(list);
    await opened.shows('live: what is stored appears by itself');
    expect(await opened.page.locator('.event').count()).toBe(50);
    await opened.close();
  });

  it('leads to the story of an event, and to what was around it', async () => {
    const opened = await OpenedPage.open(system.url, '#/explore?topic=payments');
    await opened.page.locator('.event .line').first().click();
    const around = opened.page.getByRole('link', { name: 'a minute before and after' });
    expect(await around.getAttribute('href')).toContain('since=2026-11-22T09');
    await opened.page.getByRole('link', { name: 'What happened to it' }).click();
    await opened.shows('This event is');
    await opened.close();
  });
});
