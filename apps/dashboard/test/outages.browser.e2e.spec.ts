/** The page stays open while a broker, the database and the gateway die, and never shows an old figure as current. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createTestCluster, startApp, waitFor, type App, type TestCluster } from '#testing';
import { OpenedPage } from './opened-page.js';
import { event, PageSystem } from './page-system.js';

const START_MS_MAX = 120_000;
const OUTAGE_MS_MAX = 60_000;
/** An idle stream is read once a minute at least. */
const LIVE_MS_MAX = 90_000;
const WHOLE = '1 received = 1 stored + 0 duplicates + 0 dead letters + 0 in flight';
const LIVE = 'live: what is stored appears by itself';
const LAST_KNOWN = /1 at \d\d:\d\d:\d\d UTC/;

let cluster: TestCluster;
let system: PageSystem;
let opened: OpenedPage;
let explored: OpenedPage;

async function expectEquation(expected: string | RegExp): Promise<void> {
  await waitFor(
    async () => {
      const equation = await opened.equation();
      return typeof expected === 'string' ? equation === expected : expected.test(equation);
    },
    { timeoutMs: OUTAGE_MS_MAX, describe: `the equation to be ${String(expected)}` },
  );
}

beforeAll(async () => {
  cluster = await createTestCluster();
  system = await PageSystem.start(cluster);
  await system.publish(event('o-1'));
  await system.settles(1);
  opened = await OpenedPage.open(system.url);
  await expectEquation(WHOLE);
  explored = await OpenedPage.open(system.url, '#/explore');
  await explored.shows(LIVE);
}, START_MS_MAX);

describe('the page', () => {
  it(
    'names a broker that is away, and stays right',
    async () => {
      const [first] = cluster.brokers.nodes;
      first?.kill('SIGKILL');
      await opened.shows('2 of the 3 brokers that hold the stream answer', OUTAGE_MS_MAX);
      await expectEquation(WHOLE);
      const parts = await OpenedPage.open(system.url, '#/system');
      await parts.shows(/2 of 3 brokers of stream \S+ answer, and 2 are needed/);
      await parts.close();
      await first?.start();
      await opened.page
        .getByText('2 of the 3 brokers')
        .waitFor({ state: 'detached', timeout: OUTAGE_MS_MAX });
      await expectEquation(WHOLE);
    },
    2 * OUTAGE_MS_MAX,
  );

  it(
    'shows no figure as current while Postgres is away, and the last known ones with their time',
    async () => {
      await cluster.postgres.stop('immediate');
      await opened.shows(/Postgres failed/, OUTAGE_MS_MAX);
      await expectEquation(/^— received .*= — stored .*\+ — duplicates/);
      expect(await opened.equation()).toMatch(LAST_KNOWN);
      expect(await opened.violations()).toEqual([]);
      await explored.shows(/Postgres does not answer; it goes on by itself|perhaps not live/, OUTAGE_MS_MAX);
      // A list that is opened meanwhile has nothing that it could go on behind.
      const late = await OpenedPage.open(system.url, '#/explore');
      await late.shows('interrupted; it goes on by itself');
      const parts = await OpenedPage.open(system.url, '#/system');
      await parts.shows('Which workers run is not known, because Postgres does not answer.');
      expect(await parts.text()).toMatch(/\d of 3 brokers of stream \S+ answer/);
      await parts.close();
      await cluster.postgres.start();
      await expectEquation(WHOLE);
      for (const one of [explored, late]) {
        await one.shows(LIVE, LIVE_MS_MAX);
        expect(await one.page.locator('.event').count()).toBe(1);
      }
      await late.close();
    },
    2 * OUTAGE_MS_MAX + 2 * LIVE_MS_MAX,
  );

  it(
    'says that the gateway does not answer, and goes on by itself when it does',
    async () => {
      const { port } = new URL(system.url);
      await system.stopGateway();
      await opened.shows('The gateway does not answer', OUTAGE_MS_MAX);
      await expectEquation(/^— received/);
      expect(await opened.violations()).toEqual([]);
      await explored.shows('interrupted; it goes on by itself');
      // The list of another filter has to be read from the start.
      await explored.go('#/explore?topic=orders.created');
      await explored.shows('The gateway does not answer: no connection.');
      const again: App = await startApp('gateway', { ...cluster.environment, SEKALI_HTTP_PORT: port });
      await expectEquation(WHOLE);
      expect(again.url).toBe(system.url);
      expect(opened.ownMessages).toEqual([]);
      await explored.shows(LIVE, LIVE_MS_MAX);
      expect(await explored.page.locator('.event').count()).toBe(1);
      expect(explored.ownMessages).toEqual([]);
    },
    2 * OUTAGE_MS_MAX + LIVE_MS_MAX,
  );
});
