/** A repeat with another payload is a conflict at once, also within the brokers' duplicate window. */
import { expect, it } from '@jest/globals';
import { createTestSystem, startApp, waitFor } from '#testing';
import type { PublishResponse } from '#contracts';
import { event } from '../test/running-gateway.js';

const START_MS_MAX = 60_000;

async function publish(url: string, body: unknown): Promise<unknown[]> {
  const response = await fetch(`${url}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { results } = (await response.json()) as PublishResponse;
  return results.map(({ status, seq }) => [status, seq]);
}

it(
  'stores the first payload, and counts each other one as a conflict under its sequence, through any gateway',
  async () => {
    const system = await createTestSystem();
    const [one, other] = await Promise.all([
      startApp('gateway', system.environment),
      startApp('gateway', system.environment),
      startApp('worker', system.environment),
    ]);
    await waitFor(
      async () => {
        const answers = await Promise.all([one, other].map(({ url }) => fetch(`${url}/health/ready`)));
        return answers.every(({ ok }) => ok);
      },
      { timeoutMs: 20_000, describe: 'both gateways to be ready' },
    );
    const [first, second, third] = [1, 2, 3].map((amount) => event('e:1', { payload: { amount } }));
    expect(await publish(one.url, [first, second])).toEqual([
      ['accepted', 1],
      ['accepted', 2],
    ]);
    expect(await publish(other.url, [second, third, first])).toEqual([
      ['duplicate', 2],
      ['accepted', 3],
      ['duplicate', 1],
    ]);
    const conflicts = await waitFor(
      async () => {
        const { rows } = await system.pool.query<{ seq: number; conflict: boolean }>(
          'SELECT seq::integer AS seq, conflict FROM sekali.duplicate ORDER BY seq',
        );
        return rows.length === 2 && rows;
      },
      { timeoutMs: 20_000, describe: 'both conflicts to be stored' },
    );
    expect(conflicts).toEqual([
      { seq: 2, conflict: true },
      { seq: 3, conflict: true },
    ]);
    const stored = await fetch(`${other.url}/events/orders.created/e:1`);
    expect(await stored.json()).toMatchObject({ payload: { amount: 1 }, seq: 1 });
    const stats = (await (await fetch(`${one.url}/stats`)).json()) as Record<string, unknown>;
    expect(stats).toMatchObject({ unique_processed: 1, conflicts: 2 });
  },
  START_MS_MAX,
);
