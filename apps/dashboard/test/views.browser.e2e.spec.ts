/** The views of the page in a real Chromium, over a real system: with data, live, by keyboard, in both themes. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { keepAuditResult } from '#store';
import { createTestSystem, waitFor } from '#testing';
import { OpenedPage } from './opened-page.js';
import { event, PageSystem } from './page-system.js';

const START_MS_MAX = 60_000;
const PLACES = [
  '#/now',
  '#/explore',
  '#/event?topic=orders.created&id=o-1',
  '#/dead-letters',
  '#/topics',
  '#/system',
];
const PHONE = { viewport: { width: 360, height: 740 } };

let system: PageSystem;

/** The text that a view has only when its answers have arrived. */
const ARRIVED: Readonly<Record<string, string | RegExp>> = {
  '#/now': 'It balances.',
  '#/explore': 'live: what is stored appears by itself',
  '#/event?topic=orders.created&id=o-1': /This event is/,
  '#/dead-letters': 'not_json',
  '#/topics': '1 topic',
  '#/system': 'are needed',
};

beforeAll(async () => {
  system = await PageSystem.start(await createTestSystem());
}, START_MS_MAX);

describe('the page', () => {
  it('says how to send the first event, which then appears by itself', async () => {
    const opened = await OpenedPage.open(system.url);
    await opened.shows('Nothing has arrived yet');
    expect(await opened.violations()).toEqual([]);
    await system.publish(event('o-1'), event('o-2', { total: 12345678901234567890n.toString() }));
    await opened.shows('It balances.');
    await waitFor(
      async () =>
        (await opened.equation()) === '2 received = 2 stored + 0 duplicates + 0 dead letters + 0 in flight',
      {
        timeoutMs: 10_000,
        describe: 'the equation of two events',
      },
    );
    expect(opened.messages).toEqual([]);
    await opened.close();
  });

  it('follows what arrives, and names each outcome', async () => {
    const opened = await OpenedPage.open(system.url);
    await system.publish(event('o-1'), event('o-1', { total: 13, currency: 'EUR' }));
    await system.publishBroken('orders.created', '{"topic":');
    await waitFor(
      async () =>
        (await opened.equation()) === '5 received = 2 stored + 2 duplicates + 1 dead letters + 0 in flight',
      {
        timeoutMs: 15_000,
        describe: 'the equation of five messages',
      },
    );
    await opened.shows('Among the duplicates: 1 conflict, with a known id and another payload.');
    await opened.shows(
      /of the newest 2 events, the last of them stored at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/,
    );
    await opened.close();
  });

  it('shows the story of an event, and what differed in a conflict', async () => {
    const opened = await OpenedPage.open(system.url, '#/event?topic=orders.created&id=o-1');
    await opened.shows('with another payload');
    await opened.shows('published through a gateway, by its own API');
    const marks = await opened.page.locator('mark').allInnerTexts();
    expect(marks).toEqual(['  "total": 12.5', '  "total": 13,', '  "currency": "EUR"']);
    const sent = await opened.page.locator('figure pre').nth(1).innerText();
    expect(sent.trim()).toBe('{\n  "total": 13,\n  "currency": "EUR"\n}');
    await opened.close();
  });

  it('says as what a gateway took an event', async () => {
    const response = await fetch(`${system.url}/orders.created/_bulk`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: '{"create":{"_id":"s-1"}}\n{"message":"one"}\n',
    });
    expect(response.status).toBe(200);
    const opened = await OpenedPage.open(system.url, '#/event?topic=orders.created&id=s-1');
    await opened.shows('published through a gateway, as Elasticsearch _bulk');
    await opened.close();
  });

  it('shows which sources repeat, and how much comes of each topic', async () => {
    const opened = await OpenedPage.open(system.url, '#/topics');
    await opened.shows('Of the newest 1 repeat that the store dropped');
    const row = opened.page.getByRole('region', { name: 'Table of sources' }).locator('tbody tr');
    expect((await row.innerText()).split(/\s+/).slice(0, 3)).toEqual(['checkout', 'orders.created', '1']);
    const topic = opened.page.getByRole('region', { name: 'Table of topics' }).locator('tbody tr').first();
    await waitFor(async () => /\d\/s/.test(await topic.innerText()), {
      timeoutMs: 30_000,
      describe: 'the rate of a topic',
    });
    expect(await topic.innerText()).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d$/);
    expect(opened.messages).toEqual([]);
    await opened.close();
  });

  it('shows what each part does, and the last audit', async () => {
    const opened = await OpenedPage.open(system.url, '#/system');
    await opened.shows('No audit has been run yet.');
    await opened.shows(/3 of 3 brokers of stream \S+ answer, and 2 are needed:\s+one may fail/);
    const rowOf = async (table: string): Promise<string> =>
      opened.page
        .getByRole('region', { name: `Table of ${table}` })
        .locator('tbody tr')
        .innerText();
    const says = async (table: string, pattern: RegExp): Promise<boolean> =>
      waitFor(async () => pattern.test(await rowOf(table)), {
        timeoutMs: 30_000,
        describe: `${pattern} in the table of ${table}`,
      });
    await says('workers', /idle|working/);
    await says('gateways', /(?<!not )connected/);
    await opened.shows('prepared until');
    const result = { stream: 's', verdict: 'whole', summary: 'whole: 5 messages', sequences: 3 } as const;
    await keepAuditResult(system.system.pool, { ...result, inFlight: 0, seconds: 0.4, host: 'here' });
    await opened.shows('whole: 5 messages');
    await opened.shows('on here as');
    await opened.shows('2 sequences came after it.');
    expect(opened.messages).toEqual([]);
    await opened.close();
  });

  it.each(PLACES)('has nothing at %s that axe-core finds wrong, in both themes', async (place) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const opened = await OpenedPage.open(system.url, place, { colorScheme });
      await opened.shows(ARRIVED[place] ?? '');
      expect([colorScheme, await opened.violations()]).toEqual([colorScheme, []]);
      expect(opened.messages).toEqual([]);
      expect(opened.foreignRequests).toEqual([]);
      await opened.close();
    }
  });

  it.each(PLACES)('fits on a phone at %s', async (place) => {
    const opened = await OpenedPage.open(system.url, place, PHONE);
    await opened.shows(ARRIVED[place] ?? '');
    const width = await opened.page.evaluate('document.documentElement.scrollWidth');
    expect(width).toBe(PHONE.viewport.width);
    await opened.close();
  });

  it('is used by the keyboard alone', async () => {
    const opened = await OpenedPage.open(system.url);
    await opened.shows('It balances.');
    const { keyboard } = opened.page;
    const focused = async (): Promise<string> => opened.page.evaluate('document.activeElement.innerText');
    await keyboard.press('Tab');
    expect(await focused()).toBe('To the content');
    for (const name of ['Sekali', 'Now', 'Explore', 'One event', 'Dead letters']) {
      await keyboard.press('Tab');
      expect(await focused()).toBe(name);
    }
    await keyboard.press('Enter');
    await opened.shows('not_json');
    expect(await focused()).toBe('Dead letters');
    expect(await opened.page.evaluate('document.activeElement.tagName')).toBe('H1');
    await opened.close();
  });

  it('shows nothing that it did not get: an unknown event is said to be unknown', async () => {
    const opened = await OpenedPage.open(system.url, '#/event?topic=orders.created&id=%3Cb%3Enone%3C%2Fb%3E');
    await opened.shows('No message with this topic and id');
    expect(await opened.page.getByLabel('Event id').inputValue()).toBe('<b>none</b>');
    await opened.close();
  });
});
