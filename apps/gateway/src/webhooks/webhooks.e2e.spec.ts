/** Signed webhooks against a gateway that asks every other client for a key, signed by code that is not ours. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { sign as signedByOctokit } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';
import {
  apiKeyHash,
  apiKeyIdOf,
  newApiKeyToken,
  newWebhookSecret,
  newWebhookSecretId,
  WEBHOOK_HEADERS,
  type EventView,
  type HmacRules,
  type Problem,
  type PublishResponse,
  type StatsView,
  type WebhookSecret,
} from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { insertApiKeys, insertWebhookSecret, revokeWebhookSecret } from '#store';
import { createTestSystem, startApp, waitFor, type App, type TestSystem } from '#testing';

const JSON_TYPE = { 'content-type': 'application/json' };
const HOUR_MS = 3_600_000;
const HMAC_RULES: HmacRules = {
  signature_header: 'x-signature',
  algorithm: 'sha256',
  encoding: 'hex',
  prefix: 'sha256=',
  signed: '{timestamp}.{body}',
  timestamp_header: 'x-timestamp',
};

type Headers = Readonly<Record<string, string>>;
/** Signs a body, as if at a time. */
type Signer = (body: string, atMs?: number) => Promise<Headers>;

let system: TestSystem;
let gateway: App;
const token = newApiKeyToken();
const standard = newWebhookSecret('standard');
const github = newWebhookSecret('github');
const stripe = 'whsec_of_stripe_is_plain_text';
const shopify = 'shpss_0123456789abcdef';
const hmac = newWebhookSecret('hmac');

function secretOf(topic: string, secret: string, more: Partial<WebhookSecret> = {}): WebhookSecret {
  const { provider = 'github' } = more;
  return {
    secret_id: newWebhookSecretId(),
    name: topic,
    topic,
    provider,
    source: provider,
    secret,
    tolerance_seconds: 300,
    headers: WEBHOOK_HEADERS[provider],
    rules: null,
    ...more,
  };
}

/** Two of one topic. */
const changed = [1, 2].map(() => secretOf('hooks.changed', newWebhookSecret('github'))) as [
  WebhookSecret,
  WebhookSecret,
];

/** Adds secrets. A gateway knows them within three seconds. */
async function add(...secrets: readonly WebhookSecret[]): Promise<void> {
  for (const secret of secrets) expect(await insertWebhookSecret(system.pool, secret)).toBe(true);
}

beforeAll(async () => {
  system = await createTestSystem({ duplicateWindowMs: 300 });
  const key_id = apiKeyIdOf(token) ?? '';
  await insertApiKeys(system.pool, [
    { key_id, name: 'reader', hash: apiKeyHash(token), topics: null, scopes: ['read'] },
  ]);
  await add(
    secretOf('hooks.standard', standard, { provider: 'standard' }),
    secretOf('hooks.github', github),
    secretOf('hooks.stripe', stripe, { provider: 'stripe' }),
    secretOf('hooks.shopify', shopify, { provider: 'shopify' }),
    secretOf('hooks.hmac', hmac, {
      provider: 'hmac',
      source: 'ci',
      rules: { ...HMAC_RULES, id_field: '/event/id' },
    }),
    secretOf('hooks.page', hmac, {
      provider: 'hmac',
      rules: { ...HMAC_RULES, signed: '{timestamp}.{id}.{body}', id_header: 'x-delivery' },
    }),
    secretOf('hooks.later', stripe, { provider: 'stripe', tolerance_seconds: 86_400 }),
    ...changed,
  );
  const settings = { SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true', SEKALI_EVENT_BYTES_MAX: '20000' };
  [gateway] = await Promise.all([
    startApp('gateway', { ...system.environment, ...settings }),
    startApp('worker', system.environment),
  ]);
  await waitFor(async () => (await fetch(`${gateway.url}/health/ready`)).ok, {
    timeoutMs: 20_000,
    describe: 'the gateway to be ready',
  });
});

async function send(
  topic: string,
  body: string | Buffer,
  headers: Headers,
): Promise<{ status: number; answer: PublishResponse & Problem; headers: globalThis.Headers }> {
  const bytes = new Uint8Array(Buffer.from(body));
  const response = await fetch(`${gateway.url}/webhooks/${topic}`, { method: 'POST', body: bytes, headers });
  const answer = (await response.json()) as PublishResponse & Problem;
  return { status: response.status, answer, headers: response.headers };
}

async function read<T>(path: string): Promise<T> {
  const response = await fetch(`${gateway.url}${path}`, { headers: { 'x-api-key': token } });
  return (await response.json()) as T;
}

/** The only event of a topic, once it is stored. */
async function storedOf(topic: string): Promise<EventView> {
  let events: EventView[] = [];
  await waitFor(async () => (events = await read<EventView[]>(`/events?topic=${topic}`)).length > 0, {
    timeoutMs: 20_000,
    describe: `an event of ${topic}`,
  });
  expect(events).toHaveLength(1);
  return events[0] as EventView;
}

const seconds = (atMs: number): string => String(Math.floor(atMs / 1_000));

async function hexBy(secret: string, text: string): Promise<string> {
  return (await signedByOctokit(secret, text)).slice('sha256='.length);
}

const signedByGitHub: Signer = async (body) => ({
  ...JSON_TYPE,
  'x-github-event': 'push',
  'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
  'x-hub-signature-256': await signedByOctokit(github, body),
});

const SIGNERS: Readonly<Record<string, { body: string; id: string; sign: Signer }>> = {
  standard: {
    body: '{"type":"invoice.paid","n":12345678901234567890.10}',
    id: 'msg_1',
    sign: (body, atMs = Date.now()) =>
      Promise.resolve({
        ...JSON_TYPE,
        'webhook-id': 'msg_1',
        'webhook-timestamp': seconds(atMs),
        'webhook-signature': new Webhook(standard).sign('msg_1', new Date(atMs), body),
      }),
  },
  github: {
    body: '{"ref": "refs/heads/main"}',
    id: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    sign: signedByGitHub,
  },
  stripe: {
    body: '{"id":"evt_1","type":"charge.succeeded"}',
    id: 'evt_1',
    sign: async (body, atMs = Date.now()) => ({
      'content-type': 'application/json; charset=utf-8',
      'stripe-signature': `t=${seconds(atMs)},v1=${await hexBy(stripe, `${seconds(atMs)}.${body}`)},v0=00`,
    }),
  },
  shopify: {
    body: '{"id":1}',
    id: 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
    sign: async (body) => ({
      ...JSON_TYPE,
      'x-shopify-topic': 'orders/create',
      'x-shopify-webhook-id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
      'x-shopify-hmac-sha256': Buffer.from(await hexBy(shopify, body), 'hex').toString('base64'),
    }),
  },
  hmac: {
    body: '{"event":{"id":17}}',
    id: '17',
    sign: async (body, atMs = Date.now()) => ({
      ...JSON_TYPE,
      'x-timestamp': String(atMs),
      'x-signature': `sha256=${await hexBy(hmac, `${atMs}.${body}`)}`,
    }),
  },
};

describe('a signed delivery', () => {
  it.each(Object.entries(SIGNERS))('of %s is stored once, under its id', async (name, { body, id, sign }) => {
    const topic = `hooks.${name}`;
    const first = await send(topic, body, await sign(body));
    expect([first.status, first.answer]).toEqual([
      202,
      expect.objectContaining({ accepted: 1, results: [expect.objectContaining({ topic, event_id: id })] }),
    ]);
    // A provider signs a repeat again, at another time.
    const repeat = await send(`${topic}/`, body, await sign(body, Date.now() + 60_000));
    expect(repeat.status).toBe(202);
    const event = await storedOf(topic);
    expect(event).toMatchObject({ event_id: id, source: name === 'hmac' ? 'ci' : name });
    expect(event.payload).toMatchObject({ body: JSON.parse(body) as unknown });
  });

  it('keeps the header that says what happened, and every digit of the body', async () => {
    expect((await storedOf('hooks.github')).payload).toEqual({
      headers: { 'content-type': 'application/json', 'x-github-event': 'push' },
      body: { ref: 'refs/heads/main' },
    });
    const response = await fetch(`${gateway.url}/events?topic=hooks.standard`, {
      headers: { 'x-api-key': token },
    });
    expect(await response.text()).toContain('12345678901234567890.10');
  });

  it('that is repeated hours later is a duplicate, and 202', async () => {
    const [topic, body] = ['hooks.later', '{"id":"evt_later"}'];
    const { sign } = SIGNERS['stripe'] as (typeof SIGNERS)[string];
    const sendAt = async (atMs: number): Promise<number> =>
      (await send(topic, body, await sign(body, atMs))).status;
    const path = `/events/${topic}/evt_later`;
    const statuses = new Set([await sendAt(Date.now() - 3 * HOUR_MS)]);
    const event = await storedOf(topic);
    expect(Date.parse(event.timestamp)).toBeLessThan(Date.now() - 2 * HOUR_MS);
    // The brokers forget it in a moment. From then on, the store decides.
    const isDuplicate = async (): Promise<boolean> => {
      statuses.add(await sendAt(Date.now()));
      return (await read<{ duplicates_dropped: number }>(path)).duplicates_dropped > 0;
    };
    await waitFor(isDuplicate, { timeoutMs: 20_000, describe: 'a duplicate that reached the store' });
    expect([...statuses]).toEqual([202]);
    expect(await storedOf(topic)).toEqual(event);
    expect((await read<StatsView>('/stats')).conflicts).toBe(0);
  });

  it('that is repeated with another body is a conflict, and the first body stays', async () => {
    const event = await storedOf('hooks.later');
    const { sign } = SIGNERS['stripe'] as (typeof SIGNERS)[string];
    const other = '{"id":"evt_later","pending_webhooks":1}';
    expect((await send('hooks.later', other, await sign(other))).status).toBe(202);
    await waitFor(async () => (await read<StatsView>('/stats')).conflicts === 1, {
      timeoutMs: 20_000,
      describe: 'the conflict to be counted',
    });
    expect(await storedOf('hooks.later')).toEqual(event);
  });
});

describe('a delivery that is not signed', () => {
  it('is 401, says nothing, and leaves no row', async () => {
    const { sign, body } = SIGNERS['stripe'] as (typeof SIGNERS)[string];
    const right = await sign(body);
    const before = (await read<StatsView>('/stats')).received;
    const cases: [string, string, Headers][] = [
      ['a changed body', 'hooks.stripe', await sign(`${body} `)],
      ['a late signature', 'hooks.stripe', await sign(body, Date.now() - 6 * 60_000)],
      ['an early signature', 'hooks.stripe', await sign(body, Date.now() + 6 * 60_000)],
      ['no signature', 'hooks.stripe', JSON_TYPE],
      ['the signature of another provider', 'hooks.github', right],
      ['a topic without secrets', 'hooks.none', right],
      ['a text that cannot be a topic', encodeURIComponent('../\u0000 x'), right],
      ['a key instead', 'hooks.stripe', { ...JSON_TYPE, authorization: `Bearer ${token}` }],
    ];
    for (const [name, topic, headers] of cases) {
      const { status, answer, headers: answered } = await send(topic, body, headers);
      const { instance, request_id, ...said } = answer;
      expect([name, status, answered.get('www-authenticate')]).toEqual([
        name,
        401,
        'Signature realm="sekali"',
      ]);
      expect([name, said]).toEqual([
        name,
        {
          type: 'urn:sekali:problem:no-signature',
          title: 'A valid signature is needed',
          status: 401,
          detail: expect.stringMatching(
            /^The delivery is not signed with a secret of its address/,
          ) as unknown,
        },
      ]);
      expect([instance, typeof request_id]).toEqual([`/webhooks/${topic}`, 'string']);
    }
    expect((await read<StatsView>('/stats')).received).toBe(before);
    expect(gateway.output()).toMatch(/"reason":"[a-z ]+".*a request had no valid signature/);
    for (const secret of [standard, github, stripe, shopify, hmac, right['stripe-signature']])
      expect(gateway.output()).not.toContain(secret);
  });

  it('is bounded in what it sends, and its address is in what it tries', async () => {
    const [topic, body] = ['hooks.github', '{"n":1}'];
    const headers = { ...(await signedByGitHub(body)), 'x-github-delivery': 'bounded' };
    const large = JSON.stringify({ text: 'x'.repeat(40_000) });
    expect((await send(topic, large, headers)).status).toBe(413);
    // It is short enough to be read, and too long for an event. That is said only to a sender who signed it.
    const tooLong = JSON.stringify({ text: 'x'.repeat(21_000) });
    expect((await send(topic, tooLong, headers)).status).toBe(401);
    expect((await send(topic, tooLong, await signedByGitHub(tooLong))).status).toBe(422);
    const packed = { ...headers, 'content-encoding': 'gzip' };
    expect((await send(topic, gzipSync(body), packed)).status).toBe(415);
    const wrong = { ...headers, 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` };
    const statuses: number[] = [];
    for (let tries = 0; tries < 110; tries++) statuses.push((await send(topic, body, wrong)).status);
    expect([...new Set(statuses)]).toEqual([401, 429]);
    const { headers: refused } = await send(topic, body, wrong);
    expect(Number(refused.get('retry-after'))).toBeGreaterThan(0);
    expect((await send(topic, body, headers)).status).toBe(202);
  });
});

describe('a secret', () => {
  it('is changed without a gap: two are valid at once, until one is revoked', async () => {
    const statusWith = async ({ secret, secret_id }: WebhookSecret): Promise<number> => {
      const signature = await signedByOctokit(secret, '{}');
      const headers = { 'x-github-delivery': secret_id, 'x-hub-signature-256': signature };
      return (await send('hooks.changed', '{}', { ...JSON_TYPE, ...headers })).status;
    };
    const [older, newer] = changed;
    expect([await statusWith(older), await statusWith(newer)]).toEqual([202, 202]);
    await revokeWebhookSecret(system.pool, older.secret_id);
    const next = secretOf('hooks.changed', newWebhookSecret('github'));
    await add(next);
    const isChanged = async (): Promise<boolean> =>
      (await statusWith(older)) >= 400 && (await statusWith(next)) === 202;
    await waitFor(isChanged, { timeoutMs: 10_000, describe: 'the change to be known' });
    expect([401, 429]).toContain(await statusWith(older));
    expect(await statusWith(newer)).toBe(202);
  });
});

describe('the page', () => {
  it('has a sender of ten lines, whose delivery is taken', async () => {
    const page = readFileSync(join(findRepositoryRoot(), 'apps/gateway/README.md'), 'utf8');
    const code = /<!-- webhook sender -->\s*```js\n([^]*?)```/.exec(page)?.[1] ?? '';
    expect(code.trim().split('\n').length).toBeLessThanOrEqual(10);
    const topic = 'hooks.page';
    const file = join(mkdtempSync(join(tmpdir(), 'sekali-hooks-')), 'sender.mjs');
    const address = code.replace('http://127.0.0.1:8080/webhooks/ci', `${gateway.url}/webhooks/${topic}`);
    writeFileSync(
      file,
      `const secret = process.argv[2];\n${address}\nprocess.exitCode = response.status - 202;`,
    );
    const ended = await new Promise((resolve) => {
      execFile(process.execPath, [file, hmac], (error, _stdout, stderr) => {
        resolve({ error, stderr });
      });
    });
    expect(ended).toEqual({ error: null, stderr: '' });
    expect((await storedOf(topic)).payload).toMatchObject({ body: { build: 17, status: 'passed' } });
  });
});
