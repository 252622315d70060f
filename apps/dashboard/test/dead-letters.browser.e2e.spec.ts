/** What one does about dead letters on the page: mend and replay one, drop the selected, replay all that match. */
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createTestSystem, waitFor } from '#testing';
import { OpenedPage } from './opened-page.js';
import { event, PageSystem } from './page-system.js';

const START_MS_MAX = 60_000;
const BROKEN = 5;

let system: PageSystem;

async function statesOf(path: string): Promise<Record<string, number>> {
  const response = await fetch(`${system.url}${path}`);
  const letters = (await response.json()) as { state: string }[];
  const states: Record<string, number> = {};
  for (const { state } of letters) states[state] = (states[state] ?? 0) + 1;
  return states;
}

async function expectStates(path: string, states: Record<string, number>): Promise<void> {
  await waitFor(async () => isDeepStrictEqual(await statesOf(path), states), {
    timeoutMs: 20_000,
    describe: `${path} to be ${JSON.stringify(states)}`,
  });
}

beforeAll(async () => {
  system = await PageSystem.start(await createTestSystem());
  for (let n = 0; n < BROKEN; n++) await system.publishBroken('broken', `{"event_id": "b-${n}"`);
  await system.publishBroken('mended', JSON.stringify({ ...event('m-1', {}, 'mended'), timestamp: 'today' }));
  await system.settles(BROKEN + 1);
}, START_MS_MAX);

describe('dead letters on the page', () => {
  it('are mended in an editor and replayed', async () => {
    const opened = await OpenedPage.open(system.url, '#/dead-letters?topic=mended');
    await opened.page.getByRole('link', { name: 'm-1' }).click();
    const editor = opened.page.getByLabel(/^Body/);
    const text = await editor.inputValue();
    expect(JSON.parse(text)).toMatchObject({ event_id: 'm-1' });
    await editor.fill('{');
    await opened.shows('What you wrote is not JSON');
    await editor.fill(JSON.stringify(event('m-1', { mended: true }, 'mended')));
    await opened.page.getByRole('button', { name: 'Replay the mended event…' }).click();
    const dialog = opened.page.getByRole('dialog');
    expect(await opened.violations()).toEqual([]);
    await dialog.getByLabel('Reason').fill('the time was missing');
    await dialog.getByRole('button', { name: 'Replay 1 mended event' }).click();
    await opened.shows('published again');
    await opened.shows('stored by its last replay');
    await opened.shows('the time was missing');
    await opened.page.getByRole('link', { name: 'm-1' }).click();
    await opened.shows('"mended": true');
    expect(opened.messages).toEqual([]);
    await opened.close();
  });

  it('are dropped when one has selected them, with a reason, and the number is named before', async () => {
    const opened = await OpenedPage.open(system.url, '#/dead-letters?topic=broken');
    const boxes = opened.page.locator('tbody input[type=checkbox]');
    await boxes.first().waitFor();
    await boxes.nth(0).check();
    await boxes.nth(1).check();
    await opened.page.getByRole('button', { name: 'Drop 2 selected…' }).click();
    const dialog = opened.page.getByRole('dialog');
    await dialog.getByRole('heading', { name: 'Drop 2 dead letters?' }).waitFor();
    await dialog.getByRole('button', { name: 'Drop 2 dead letters' }).click();
    // Without a reason nothing is done.
    expect(await statesOf('/dead-letters?topic=broken&state=all')).toEqual({ open: BROKEN });
    await dialog.getByLabel('Reason').fill('a test');
    await dialog.getByRole('button', { name: 'Drop 2 dead letters' }).click();
    await opened.shows('2 dropped');
    await expectStates('/dead-letters?topic=broken&state=all', { open: BROKEN - 2, dropped: 2 });
    await opened.close();
  });

  it('are left alone when one cancels', async () => {
    const opened = await OpenedPage.open(system.url, '#/dead-letters?topic=broken');
    await opened.page.getByRole('button', { name: 'Drop all that match…' }).click();
    const dialog = opened.page.getByRole('dialog');
    await dialog.getByRole('heading', { name: `Drop all ${BROKEN - 2} dead letters that match?` }).waitFor();
    await opened.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await statesOf('/dead-letters?topic=broken')).toEqual({ open: BROKEN - 2 });
    await opened.close();
  });

  it('are dropped by what matches, and no more than was named', async () => {
    const opened = await OpenedPage.open(system.url, '#/dead-letters?topic=broken');
    await opened.page.getByRole('button', { name: 'Drop all that match…' }).click();
    const dialog = opened.page.getByRole('dialog');
    await dialog.getByRole('heading', { name: `Drop all ${BROKEN - 2} dead letters that match?` }).waitFor();
    await system.publishBroken('broken', '{"event_id": "late"');
    await expectStates('/dead-letters?topic=broken', { open: BROKEN - 1 });
    await dialog.getByLabel('Reason').fill('a test');
    await dialog.getByRole('button', { name: `Drop ${BROKEN - 2} dead letters` }).click();
    await opened.shows(`${BROKEN - 2} dropped`);
    await expectStates('/dead-letters?topic=broken', { open: 1 });
    await opened.close();
  });

  it('say which of them cannot be replayed before being mended', async () => {
    const opened = await OpenedPage.open(system.url, '#/dead-letters?topic=broken');
    await opened.page.getByRole('button', { name: 'Replay all that match…' }).click();
    await opened.shows('not an event: mend it');
    expect(opened.messages).toEqual([]);
    await opened.close();
  });
});
