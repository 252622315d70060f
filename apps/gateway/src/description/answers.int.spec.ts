/** Every route answers as its description says. Requests are drawn from the description that the gateway itself gives. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Problem } from '#contracts';
import { waitFor } from '#testing';
import { PROBLEM_DESCRIPTIONS } from '../problems/problem-descriptions.js';
import { MISSING, othersAreAnswered, permittedIsCarriedOut } from '../test/described/described-properties.js';
import { DescribedSystem } from '../test/described/described-system.js';
import { RunningGateway, type Answered } from '../test/running-gateway.js';

const RUNS = 200;
const SEED = 18;
/** Those that need time or a race have tests of their own, in body-pace.int.spec.ts and gateway.int.spec.ts. */
const ELSEWHERE = ['busy', 'stopping', 'too-slow'];
const NOWHERE = {
  SEKALI_NATS_URLS: 'nats://127.0.0.1:1',
  SEKALI_POSTGRES_URL: 'postgres://postgres@127.0.0.1:1/none',
};
const JSON_TYPE = { 'content-type': 'application/json' };

let system: DescribedSystem;

beforeAll(async () => {
  system = await DescribedSystem.start();
});

describe('a request that the description permits', () => {
  it('is carried out, and answered as described', async () => {
    await fc.assert(permittedIsCarriedOut(system), { numRuns: RUNS, seed: SEED });
  });
});

describe('a request that it does not permit', () => {
  it('is answered as described', async () => {
    await fc.assert(othersAreAnswered(system), { numRuns: RUNS, seed: SEED });
  });
});

describe('each example of a body', () => {
  it('is carried out, and answered as described', async () => {
    const sent = new Set<string>();
    for (const request of system.requests.examples()) {
      const answer = await system.send(request);
      const name = `${request.method} ${request.path} ${request.headers['content-type'] ?? ''}`;
      expect([name, system.error(request, answer)]).toEqual([name, undefined]);
      expect([name, answer.status < 300 || MISSING.test(answer.text)]).toEqual([name, true]);
      sent.add(name);
    }
    // Most of these cannot be drawn.
    expect([...sent]).toEqual(
      expect.arrayContaining([
        'POST /_bulk application/x-ndjson',
        'PUT /logs-shop/_bulk application/json',
        'POST /upload application/vnd.fdo.journal',
        'POST /loki/api/v1/push application/json',
        'POST /loki/api/v1/push application/x-protobuf',
        'POST /v1/logs application/json',
        'POST /v1/logs application/x-protobuf',
      ]),
    );
  });
});

describe('a delivery that is signed', () => {
  it('is answered as described, which no drawn one is', async () => {
    const url = '/webhooks/orders.created';
    const body = '{"total":12.5}';
    const headers = {
      ...JSON_TYPE,
      'x-github-delivery': 'd-1',
      'x-hub-signature-256': system.signatureOf(body),
    };
    const answer = await waitFor(
      async () => {
        const given = await system.gateway.get(url, { method: 'POST', headers, body });
        return given.status !== 401 && given;
      },
      { timeoutMs: 10_000, describe: 'the gateway to know the secret' },
    );
    expect([answer.status, system.answers.error({ method: 'POST', url }, answer)]).toEqual([202, undefined]);
  });
});

describe('each kind of problem', () => {
  const seen = new Set<string>();

  function note(method: string, url: string, answer: Answered): void {
    expect([url, system.answers.error({ method, url }, answer)]).toEqual([url, undefined]);
    seen.add((JSON.parse(answer.text) as Problem).type.replace('urn:sekali:problem:', ''));
  }

  async function ask(path: string, key: string | undefined, post?: RequestInit): Promise<void> {
    const headers = { ...(post?.headers as Record<string, string> | undefined), ...system.keyHeaders(key) };
    const options = post === undefined ? { headers } : { method: 'POST', ...post, headers };
    note(post === undefined ? 'GET' : 'POST', path, await system.gateway.get(path, options));
  }

  const json = (body: unknown): RequestInit => ({
    headers: JSON_TYPE,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

  it('is given by a route that names it', async () => {
    await ask('/publish', 'all', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: 'no gzip' });
    await ask('/publish', 'all', json('{'));
    await ask('/publish', 'all', json([]));
    await ask('/publish', 'all', json({}));
    await ask('/publish', 'all', { headers: { 'content-type': 'text/plain' }, body: 'a' });
    await ask('/publish', 'all', json('x'.repeat(100_000)));
    await ask('/publish', 'all', { ...json(''), body: tinyChunks(), duplex: 'half' });
    await ask('/publish', 'read', json({}));
    await ask('/webhooks/none', undefined, json({}));
    const untimed = { streams: [{ stream: {}, values: [['now', 'x']] }] };
    await ask('/loki/api/v1/push', 'all', json(untimed));
    await ask('/events?limit=x', 'all');
    await ask('/events?cursor=x', 'all');
    await ask('/events?topic=other', 'bound');
    await ask('/events/other/none', 'all');
    await ask(`/events/orders.created/${await system.dropPayload()}`, 'all');
    await ask('/dead-letters/none', 'all');
    await ask('/page/none', undefined);
    const [replayable = '', broken = ''] = system.letters;
    await ask(`/dead-letters/${replayable}/drop`, 'all', json({}));
    await ask(`/dead-letters/${broken}/replay`, 'all', json({ force: true }));
    await system.gateway.get(`/dead-letters/${replayable}/drop`, {
      method: 'POST',
      ...json({ reason: 'a test', force: true }),
      headers: { ...JSON_TYPE, ...system.keyHeaders('all') },
    });
    await ask(`/dead-letters/${replayable}/replay`, 'all', json({}));
    for (let attempt = 0; attempt <= 100; attempt++) await ask('/events', undefined);
    await withoutServers();
    expect([...seen].sort()).toEqual(
      Object.keys(PROBLEM_DESCRIPTIONS)
        .filter((kind) => !ELSEWHERE.includes(kind))
        .sort(),
    );
  });

  async function withoutServers(): Promise<void> {
    const lone = await RunningGateway.start({ ...system.environment, ...NOWHERE }, false);
    for (const path of ['/stats', '/health/ready']) note('GET', path, await lone.get(path));
    const event = { topic: 'a', event_id: '1', timestamp: '2026-11-22T10:00:00Z', source: 's', payload: {} };
    note('POST', '/publish', await lone.publish(event));
    note('GET', '/events', await asHost(lone.gateway.url, 'evil.example'));
    await lone.gateway.stop();
  }
});

function tinyChunks(): ReadableStream<Uint8Array> {
  let left = 1_100;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array([0x20]));
      left -= 1;
      if (left === 0) controller.close();
    },
  });
}

/** A request with another Host, which fetch does not send. */
async function asHost(url: string, host: string): Promise<Answered> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(`${url}/events`, { headers: { host } }, resolve).once('error', reject).end();
  });
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const headers = new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
  return { status: response.statusCode ?? 0, headers, text };
}
