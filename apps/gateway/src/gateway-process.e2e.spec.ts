import { describe, expect, it } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import { createTestSystem, startApp } from '#testing';
import { event } from './test/running-gateway.js';

const post = (url: string, body: unknown): Promise<Response> =>
  fetch(`${url}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('the gateway process', () => {
  it.each<NodeJS.Signals>(['SIGTERM', 'SIGINT'])(
    'says where it listens, and ends with 0 at %s',
    async (signal) => {
      const { environment } = await createTestSystem();
      const app = await startApp('gateway', environment);
      expect((await post(app.url, event('1'))).status).toBeLessThan(504);
      app.kill(signal);
      expect(await app.exited).toMatchObject({ code: 0 });
    },
  );

  it('ends with 0 within ten seconds although the brokers never answer', async () => {
    const { environment } = await createTestSystem();
    // No stream takes these subjects, so the publish is tried until the gateway gives up.
    const app = await startApp('gateway', { ...environment, SEKALI_SUBJECT_PREFIX: 'without-stream' });
    const answer = post(app.url, event('1'));
    const started = performance.now();
    await fetch(`${app.url}/health/live`);
    app.kill('SIGTERM');
    expect((await answer).status).toBe(503);
    expect(await app.exited).toMatchObject({ code: 0 });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('names every wrong setting and ends with 1', async () => {
    const { environment } = await createTestSystem();
    const wrong = { SEKALI_HTTP_PORT: 'http', SEKALI_LOG_LEVEL: 'loud' };
    const app = await startApp('gateway', { ...environment, ...wrong }, { untilReady: false });
    expect(await app.exited).toMatchObject({ code: 1 });
    expect(app.output()).toContain('SEKALI_HTTP_PORT');
    expect(app.output()).toContain('SEKALI_LOG_LEVEL');
  });

  it('says that its port is taken and ends with 1', async () => {
    const { environment } = await createTestSystem();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = String((server.address() as AddressInfo).port);
    const app = await startApp('gateway', { ...environment, SEKALI_HTTP_PORT: port }, { untilReady: false });
    expect(await app.exited).toMatchObject({ code: 1 });
    expect(app.output()).toContain('The gateway cannot start: listen EADDRINUSE');
    server.close();
  });
});
