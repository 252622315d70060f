/** CloudEvents over NATS: the same events as over HTTP, and what is wrong becomes a dead letter. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from '@jest/globals';
import { headers as newHeaders } from '@nats-io/nats-core';
import { jetstream } from '@nats-io/jetstream';
import { CloudEvent, HTTP } from 'cloudevents';
import type { EventView, StatsView } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { createTestSystem, startApp, type TestSystem, waitFor } from '#testing';
import { RunningGateway } from '../test/running-gateway.js';

const TYPE = 'com.example.order';
const WAIT = { prefer: 'wait=30' };
const SETTLED = { timeoutMs: 20_000, intervalMs: 20 };
let system: TestSystem;
let gateway: RunningGateway;

type Sent = Readonly<{ headers: Readonly<Record<string, string>>; body: string }>;

beforeAll(async () => {
  system = await createTestSystem();
  [gateway] = await Promise.all([
    RunningGateway.start(system.environment),
    startApp('worker', system.environment),
  ]);
});

function sdk(mode: 'binary' | 'structured', id: string): Sent {
  const event = new CloudEvent({
    ...{ id, type: TYPE, source: '/shop', subject: 'über "alles" 100 %', extension: 'value' },
    ...{ time: '2026-11-22T10:00:00.123Z', data: { total: 12.5, name: 'Ω' } },
  });
  const { headers, body } = HTTP[mode](event);
  return { headers: headers as Record<string, string>, body: String(body) };
}

/** Publishes as a direct producer, without a message id. @returns the sequence */
async function overNats({ headers, body }: Sent, topic = TYPE): Promise<number> {
  const given = newHeaders();
  for (const [name, value] of Object.entries(headers)) given.append(name, value);
  const client = jetstream(system.connection);
  return (await client.publish(`${system.subjectPrefix}.${topic}`, body, { headers: given })).seq;
}

async function overHttp({ headers, body }: Sent): Promise<unknown[]> {
  const answer = await gateway.get('/cloudevents', {
    method: 'POST',
    headers: { ...headers, ...WAIT },
    body,
  });
  const { results } = JSON.parse(answer.text) as { results: { outcome: string; first_seq?: number }[] };
  return results.map(({ outcome, first_seq }) => [outcome, first_seq]);
}

async function stored(id: string): Promise<EventView> {
  const path = `/events/${TYPE}?event_id=${encodeURIComponent(`/shop ${id}`)}`;
  const answer = await waitFor(
    async () => {
      const found = await gateway.get(path);
      return found.status === 200 && found;
    },
    { ...SETTLED, describe: `${id} to be stored` },
  );
  return JSON.parse(answer.text) as EventView;
}

it.each(['binary', 'structured'] as const)(
  'are the same events as over HTTP in the %s mode',
  async (mode) => {
    const seq = await overNats(sdk(mode, `${mode}-1`));
    expect(await stored(`${mode}-1`)).toMatchObject({ seq, source: '/shop', topic: TYPE });
    expect(await overHttp(sdk(mode, `${mode}-1`))).toEqual([['duplicate', seq]]);
    expect(await overHttp(sdk(mode, `${mode}-2`))).toEqual([['stored', undefined]]);
    const [one, other] = [await stored(`${mode}-1`), await stored(`${mode}-2`)];
    expect({ ...(one.payload as object), id: '' }).toEqual({ ...(other.payload as object), id: '' });
    expect([one.timestamp, one.source]).toEqual([other.timestamp, other.source]);
  },
);

it('are given back whole, as a batch', async () => {
  await overNats(sdk('binary', 'back'));
  await stored('back');
  const accept = { headers: { accept: 'application/cloudevents-batch+json' } };
  const { text: body } = await gateway.get(`/events?topic=${TYPE}`, accept);
  const events = HTTP.toEvent({
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    body,
  }) as CloudEvent[];
  expect(events.find(({ id }) => id === 'back')).toMatchObject({
    ...{ subject: 'über "alles" 100 %', extension: 'value' },
    data: { total: 12.5, name: 'Ω' },
  });
});

it('become dead letters with a reason when they are wrong, and every message is counted once', async () => {
  const { headers, body } = sdk('binary', 'wrong');
  await overNats({ headers: { ...headers, 'ce-specversion': '2.0' }, body });
  await overNats({ headers, body }, 'another.subject');
  const letters = await waitFor(
    async () => {
      const { rows } = await system.pool.query<{ topic: string; event_id: string; reason: string }>(
        'SELECT topic, event_id, reason FROM sekali.dead_letter ORDER BY seq',
      );
      return rows.length === 2 && rows;
    },
    { ...SETTLED, describe: 'two dead letters' },
  );
  expect(letters).toEqual([
    { topic: TYPE, event_id: '/shop wrong', reason: 'invalid_event' },
    { topic: 'another.subject', event_id: '/shop wrong', reason: 'subject_mismatch' },
  ]);
  const stats = JSON.parse((await gateway.get('/stats')).text) as StatsView;
  const { received, unique_processed, duplicate_dropped, dead_letters, in_flight } = stats;
  expect([dead_letters, in_flight]).toEqual([2, 0]);
  expect(received).toBe(unique_processed + duplicate_dropped + dead_letters);
  const audit = [join(findRepositoryRoot(), 'dist/apps/cli/src/main.js'), 'audit', '--json'];
  const options = { env: { PATH: process.env['PATH'] ?? '', ...system.environment } };
  const { stdout } = await promisify(execFile)(process.execPath, audit, options);
  expect(JSON.parse(stdout)).toMatchObject({ verdict: 'whole' });
});

it('are replayed as the event that they were', async () => {
  const { headers, body } = sdk('binary', 'replayed');
  await system.pool.query(
    `INSERT INTO sekali.dead_letter
       (stream_id, seq, topic, event_id, subject, reason, detail, headers, body, deliveries, published_at)
     SELECT stream_id, 1000000, $1, $2, $3, 'handler', '', $4, $5, 1, '2026-11-22T10:00:00Z' FROM sekali.stream`,
    [
      ...[TYPE, '/shop replayed', `${system.subjectPrefix}.${TYPE}`],
      JSON.stringify(Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]))),
      Buffer.from(body),
    ],
  );
  const id = `store.1000000.${Date.parse('2026-11-22T10:00:00Z')}`;
  const answer = await gateway.get(`/dead-letters/${id}/replay`, { method: 'POST' });
  expect(answer.status).toBe(202);
  const { payload, timestamp } = await stored('replayed');
  expect([payload, timestamp]).toMatchObject([
    { id: 'replayed', extension: 'value', data: { total: 12.5 } },
    '2026-11-22T10:00:00.123Z',
  ]);
});
