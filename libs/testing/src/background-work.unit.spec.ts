import { expect, it } from '@jest/globals';
import { inBackground } from './background-work.js';

const left: string[] = [];

/** Runs until it is asked to end, and then fails or not. */
async function untilOver(over: AbortSignal, failure?: Error): Promise<string> {
  await new Promise((resolve) => over.addEventListener('abort', resolve));
  left.push(failure?.message ?? 'ended');
  if (failure !== undefined) throw failure;
  return 'done';
}

it('is asked to end, and settles like the work', async () => {
  expect(await inBackground(untilOver).end()).toBe('done');
  await expect(inBackground((over) => untilOver(over, new Error('failed'))).end()).rejects.toThrow('failed');
  await expect(inBackground(() => Promise.resolve(7)).ended).resolves.toBe(7);
});

it('is ended after a test that does not wait for it, and its failure is dropped', () => {
  inBackground(async (over) => {
    await new Promise((resolve) => over.addEventListener('abort', resolve));
    left.push('not waited for');
  });
  inBackground((over) => untilOver(over, new Error('not waited for, and failed')));
  expect(left).toEqual(['ended', 'failed']);
});

it('has ended before the next test', () => {
  expect(left).toEqual(['ended', 'failed', 'not waited for', 'not waited for, and failed']);
});
