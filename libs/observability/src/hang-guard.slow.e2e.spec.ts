/** A gateway and a worker whose event loop hangs end by themselves. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type AppName, createTestSystem, startApp, type TestSystem } from '#testing';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

afterAll(async () => {
  await system.dispose();
});

/** Hangs when SIGUSR2 comes. */
const HANG = "data:text/javascript,process.on('SIGUSR2', () => { for (;;); })";

it.each<AppName>(['gateway', 'worker'])('a %s whose event loop hangs ends by itself', async (name) => {
  const app = await startApp(name, system.environment, { nodeArguments: ['--import', HANG] });
  app.kill('SIGUSR2');
  expect(await app.exited).toMatchObject({ signal: 'SIGKILL' });
  expect(app.output()).toContain(`${name}: the event loop has hung for 30 s; the process ends now`);
});
