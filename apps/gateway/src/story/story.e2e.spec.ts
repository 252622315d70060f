/** The story of one event, with a real worker: all that happens to it, in the order of time, in pages. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { headers as natsHeaders } from '@nats-io/nats-core';
import { createTestSystem, startApp, waitFor, type TestSystem } from '#testing';
import { event, problemOf, RunningGateway } from '../test/running-gateway.js';

const START_MS_MAX = 60_000;
const TOPIC = 'orders.created';
/** JSON.parse would make one number of this and the next. */
const LARGE = '12345678901234567890';

interface Entry {
  readonly at: string;
  readonly kind: string;
  readonly seq: number;
  readonly [fact: string]: unknown;
}

let system: TestSystem;
let gateway: RunningGateway;

beforeAll(async () => {
  system = await createTestSystem();
  gateway = await RunningGateway.start(system.environment);
  await startApp('worker', system.environment);
}, START_MS_MAX);

const payloadText = (amount: string): string =>
  JSON.stringify(event('e/1', { payload: { amount: 0, lines: [1, 2] } })).replace(
    '"amount":0',
    `"amount":${amount}`,
  );

async function send(body: string, messageId: string): Promise<void> {
  const headers = natsHeaders();
  headers.set('Nats-Msg-Id', messageId);
  system.connection.publish(`${system.subjectPrefix}.${TOPIC}`, body, { headers });
  await system.connection.flush();
}

async function page(
  path: string,
): Promise<{ state: string; entries: Entry[]; text: string; next: string | undefined }> {
  const { text, headers } = await gateway.get(path);
  const next = /<[^>]*?(\/events[^>]+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1];
  return { ...(JSON.parse(text) as { state: string; entries: Entry[] }), text, next };
}

async function storyOf(
  kinds: number,
  path = `/events/${TOPIC}/e%2F1/story`,
): Promise<Awaited<ReturnType<typeof page>>> {
  return waitFor(
    async () => {
      const { status } = await gateway.get(path);
      const found = status === 200 ? await page(path) : undefined;
      return found !== undefined && found.entries.length >= kinds && found;
    },
    { timeoutMs: 20_000, describe: `a story with ${kinds} entries` },
  );
}

describe('the story of an event', () => {
  it('has its publication, each repeat, each conflict with what differs, and its dead letters with their replays', async () => {
    await gateway.publish(payloadText(LARGE));
    await storyOf(2);
    await send(payloadText(LARGE), 'again');
    await send(payloadText('12345678901234567891'), 'other');
    await send(`{"topic":"${TOPIC}","event_id":"e/1"}`, 'broken');
    const before = await storyOf(5);
    const letter = before.entries.find(({ kind }) => kind === 'dead_letter');
    await gateway.get(`/dead-letters/${String(letter?.['dead_letter'])}/replay`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'mended', event: JSON.parse(payloadText('1')) as unknown }),
    });
    const { state, entries, text } = await storyOf(7);
    expect(state).toBe('stored');
    expect(entries.map(({ kind, seq }) => [kind, seq])).toEqual([
      ['published', 1],
      ['stored', 1],
      ['duplicate', 2],
      ['conflict', 3],
      ['dead_letter', 4],
      ['replay', 4],
      ['conflict', 5],
    ]);
    expect(entries).toMatchObject([
      { through: 'gateway', door: 'publish' },
      { source: 'checkout' },
      { messages_later: 1 },
      { messages_later: 2, more_differences: false },
      { consumer: 'store', is_replay: false },
      { reason: 'mended', became: 'duplicate', replay_seq: 5, dead_letter: letter?.['dead_letter'] },
      { messages_later: 4 },
    ]);
    expect(text).toContain(
      `"differences":[{"path":"/amount","stored":${LARGE},"sent":12345678901234567891}]`,
    );
    expect(entries.map(({ at }) => at)).toEqual(entries.map(({ at }) => at).sort());
  });

  it('comes in pages that are the whole when they are joined', async () => {
    const whole = await storyOf(7);
    expect(whole.next).toBeUndefined();
    const joined: Entry[] = [];
    for (
      let path: string | undefined = `/events/${TOPIC}/story?event_id=e%2F1&limit=2`;
      path !== undefined;
    ) {
      const part = await page(path);
      expect(part.entries.length).toBeLessThanOrEqual(2);
      joined.push(...part.entries);
      path = part.next;
    }
    expect(joined).toEqual(whole.entries);
  });

  it('is there for an event that was never stored', async () => {
    await send(`{"topic":"${TOPIC}","event_id":"e-2"}`, 'also broken');
    const { state, entries } = await storyOf(1, `/events/${TOPIC}/e-2/story`);
    expect([state, entries.map(({ kind }) => kind)]).toEqual(['not_stored', ['dead_letter']]);
  });

  it('is not the event whose id ends like it', async () => {
    await gateway.publish(JSON.stringify(event('a/story')));
    await waitFor(async () => (await gateway.get(`/events/${TOPIC}/a%2Fstory`)).status === 200, {
      timeoutMs: 20_000,
      describe: 'the event to be stored',
    });
    expect((await gateway.get(`/events/${TOPIC}/a/story`)).status).toBe(404);
    expect((await page(`/events/${TOPIC}/a%2Fstory/story`)).entries).toHaveLength(2);
  });

  it('says what is wrong with a query', async () => {
    const path = `/events/${TOPIC}/e%2F1/story`;
    expect(problemOf(await gateway.get(`${path}?limit=0`)).detail).toContain('"limit"');
    expect(problemOf(await gateway.get(`${path}?since=1`)).detail).toContain('event_id, limit, cursor');
    expect(problemOf(await gateway.get(`${path}?cursor=abc`)).detail).toContain('"cursor"');
    expect(problemOf(await gateway.get(`/events/${TOPIC}/nothing/story`)).status).toBe(404);
  });

  it('is there when the payload was dropped by age, and the answer to the event leads to it', async () => {
    await storyOf(7);
    await system.pool.query("DELETE FROM sekali.event WHERE event_id = 'e/1'");
    const gone = problemOf(await gateway.get(`/events/${TOPIC}/e%2F1`)) as { status: number; story?: string };
    expect(gone).toMatchObject({ status: 410, seq: 1, duplicates_dropped: 3 });
    const { state, entries } = await page(gone.story ?? '');
    expect(state).toBe('payload_dropped');
    expect(entries.map(({ kind }) => kind)).toEqual([
      'stored',
      'duplicate',
      'conflict',
      'dead_letter',
      'replay',
      'conflict',
    ]);
    expect(entries[2]).toMatchObject({ differences: null, seconds_later: null, messages_later: 2 });
  });
});
