import { beforeAll, describe, expect, it } from '@jest/globals';
import { startApp } from './app-process.js';
import { createTestSystem, type TestSystem } from './test-system.js';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});

describe('an app that a test starts', () => {
  it('is ready when setup has done its work, which it may do again', async () => {
    const setup = await startApp('setup', system.environment);
    expect(await setup.exited).toEqual({ code: 0, signal: null });
  });

  it('stops on request', async () => {
    const worker = await startApp('worker', system.environment);
    expect(worker.pid).toBeGreaterThan(0);
    expect(await worker.stop()).toEqual({ code: 0, signal: null });
    expect(worker.kill('SIGKILL')).toBe(false);
  });

  it('can be killed, and then stopping it does not fail', async () => {
    const worker = await startApp('worker', system.environment);
    worker.kill('SIGKILL');
    expect(await worker.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await worker.stop()).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('that cannot start is an error with what it wrote', async () => {
    const start = startApp('worker', { ...system.environment, SEKALI_BATCH_SIZE: 'many' });
    await expect(start).rejects.toThrow(
      /worker ended \(1\) before it was ready:\n(?:.|\n)*SEKALI_BATCH_SIZE/,
    );
  });

  it('returns its output even when no test waits for it to be ready', async () => {
    const environment = { ...system.environment, SEKALI_BATCH_SIZE: 'many' };
    const worker = await startApp('worker', environment, { untilReady: false });
    await expect(worker.ready).rejects.toThrow('before it was ready');
    expect(worker.output()).toContain('SEKALI_BATCH_SIZE');
    expect(() => worker.url).toThrow('has no URL');
  });
});
