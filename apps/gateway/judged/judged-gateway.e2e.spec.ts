/** The gateway with a deliberate fault has exactly the fault that it claims. */
import { describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { PublishResponse } from '#contracts';
import { type App, createTestSystem, startApp, waitFor } from '#testing';
import { event } from '../src/test/running-gateway.js';

async function startJudged(
  environment: Readonly<Record<string, string>>,
  sabotage: string,
  untilReady = true,
): Promise<App> {
  const programArguments = [sabotage];
  return startApp('gateway', environment, {
    program: 'judged/judged-gateway.js',
    programArguments,
    untilReady,
  });
}

const post = (url: string, body: unknown): Promise<Response> =>
  fetch(`${url}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('the judged gateway', () => {
  it('answer-before-puback: says that it has what the brokers cannot take', async () => {
    const { environment } = await createTestSystem();
    // No stream takes these subjects, so a correct gateway answers 503.
    const app = await startJudged(
      { ...environment, SEKALI_SUBJECT_PREFIX: 'without-stream' },
      'answer-before-puback',
    );
    const answer = await post(app.url, [event('1'), event('2')]);
    expect(answer.status).toBe(202);
    expect((await answer.json()) as PublishResponse).toEqual({
      accepted: 2,
      duplicates: 0,
      rejected: [],
      results: [
        { index: 0, topic: 'orders.created', event_id: '1', status: 'accepted', seq: 0 },
        { index: 1, topic: 'orders.created', event_id: '2', status: 'accepted', seq: 0 },
      ],
    });
    app.kill('SIGKILL');
  });

  it('answer-before-puback: publishes all the same, a little later', async () => {
    const { environment, connection, streamName } = await createTestSystem();
    const app = await startJudged(environment, 'answer-before-puback');
    expect((await post(app.url, event('1'))).status).toBe(202);
    const messages = async (): Promise<number> =>
      (await jetstreamManager(connection)).streams.info(streamName).then(({ state }) => state.messages);
    await waitFor(async () => (await messages()) === 1, { timeoutMs: 10_000, describe: 'the event' });
    expect(await messages()).toBe(1);
  });

  it('bulk-hides-refusals: says created of what the brokers did not take, at its door alone', async () => {
    const { environment } = await createTestSystem();
    const settings = { SEKALI_SUBJECT_PREFIX: 'without-stream', SEKALI_PUBLISH_BUDGET_MS: '1000' };
    const app = await startJudged({ ...environment, ...settings }, 'bulk-hides-refusals');
    const answer = await fetch(`${app.url}/_bulk`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: '{"create":{"_index":"orders","_id":"1"}}\n{}\n{"delete":{"_index":"orders","_id":"1"}}\n',
    });
    expect(await answer.json()).toMatchObject({
      items: [{ create: { _index: 'orders', _id: '1', status: 201 } }, { delete: { status: 400 } }],
    });
    expect((await post(app.url, event('1'))).status).toBe(503);
    app.kill('SIGKILL');
  });

  it('ends with 2 at a sabotage that it does not know, and names those it does', async () => {
    const { environment } = await createTestSystem();
    const app = await startJudged(environment, 'answer-never', false);
    expect(await app.exited).toMatchObject({ code: 2 });
    expect(app.output()).toBe(
      'judged-gateway: "answer-never" is not a sabotage; there is answer-before-puback, bulk-hides-refusals\n',
    );
  });
});
