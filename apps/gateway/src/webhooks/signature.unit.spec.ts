/** Signatures with the vectors that their providers publish, and by code that is not ours. */
import { describe, expect, it } from '@jest/globals';
import { sign as signedByOctokit } from '@octokit/webhooks-methods';
import { Webhook } from 'standardwebhooks';
import type { HmacRules, WebhookSecret } from '#contracts';
import { SignatureVerifier, verifyDelivery, type Delivery, type SignedBy } from './signature.js';

const NOW_MS = 1_614_265_330_000;
const MINUTE_MS = 60_000;

function verifierOf(
  provider: WebhookSecret['provider'],
  secret: string,
  rules: Partial<HmacRules> | null = null,
): SignatureVerifier {
  const hmac: HmacRules = {
    signature_header: 'x-signature',
    algorithm: 'sha256',
    encoding: 'hex',
    prefix: '',
    signed: '{body}',
  };
  return new SignatureVerifier({
    secret_id: '0'.repeat(16),
    name: 'test',
    topic: 'test',
    provider,
    source: 'test',
    secret,
    tolerance_seconds: 300,
    headers: [],
    rules: rules === null ? null : { ...hmac, ...rules },
  });
}

function deliveryOf(headers: Readonly<Record<string, string>>, body: string | Buffer): Delivery {
  return { headers: { 'content-type': 'application/json', ...headers }, body: Buffer.from(body) };
}

const isSigned = (verdict: SignedBy | string): verdict is SignedBy => typeof verdict === 'object';

/** HMAC-SHA256 in hex, by code that is not ours. */
async function hexBy(secret: string, text: string): Promise<string> {
  return (await signedByOctokit(secret, text)).slice('sha256='.length);
}

describe('the vector of', () => {
  it('Standard Webhooks is signed, also under the names that Svix gave the headers', () => {
    const verifier = verifierOf('standard', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    for (const prefix of ['webhook', 'svix']) {
      const headers = {
        [`${prefix}-id`]: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        [`${prefix}-timestamp`]: '1614265330',
        [`${prefix}-signature`]: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      };
      const verdict = verifier.verify(deliveryOf(headers, '{"test": 2432232314}'), NOW_MS);
      expect(verdict).toMatchObject({ signedAt: '2021-02-25T15:02:10.000000Z' });
    }
  });

  it('GitHub is signed', () => {
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    const verifier = verifierOf('github', "It's a Secret to Everybody");
    const headers = { 'x-hub-signature-256': signature };
    expect(verifier.verify(deliveryOf(headers, 'Hello, World!'), NOW_MS)).toMatchObject({
      signedAt: undefined,
    });
    expect(verifier.verify(deliveryOf(headers, 'Hello, World!\n'), NOW_MS)).toBe('wrong signature');
  });

  it('Slack is signed by rules', () => {
    const verifier = verifierOf('hmac', '8f742231b10e8888abcd99yyyzzz85a5', {
      signature_header: 'x-slack-signature',
      prefix: 'v0=',
      signed: 'v0:{timestamp}:{body}',
      timestamp_header: 'x-slack-request-timestamp',
    });
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const headers = {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    };
    const at = (nowMs: number) => verifier.verify(deliveryOf(headers, body), nowMs);
    expect(at(1_531_420_618_000)).toMatchObject({ signedAt: '2018-07-12T18:36:58.000000Z' });
    expect(at(NOW_MS)).toBe('late signature');
  });
});

describe('a signature', () => {
  it('of the library of Standard Webhooks is right, among others and in time', () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const body = '{"n":12345678901234567890.10, "ü": "\u{1f600}"}';
    const signature = new Webhook(secret).sign('msg_1', new Date(NOW_MS), body);
    const verifier = verifierOf('standard', secret);
    const verify = (header: string, nowMs = NOW_MS, time = String(NOW_MS / 1_000)) =>
      verifier.verify(
        deliveryOf({ 'webhook-id': 'msg_1', 'webhook-timestamp': time, 'webhook-signature': header }, body),
        nowMs,
      );
    expect(isSigned(verify(`v1a,AAAA v1,${'A'.repeat(43)}= ${signature}`))).toBe(true);
    expect(isSigned(verify(signature, NOW_MS + 5 * MINUTE_MS))).toBe(true);
    expect(isSigned(verify(signature, NOW_MS - 5 * MINUTE_MS))).toBe(true);
    expect(verify(signature, NOW_MS + 5 * MINUTE_MS + 1)).toBe('late signature');
    expect(verify(signature, NOW_MS - 5 * MINUTE_MS - 1)).toBe('late signature');
    expect(verify(signature, NOW_MS, String(NOW_MS / 1_000 + 1))).toBe('wrong signature');
    for (const none of ['', 'v1', 'v2,AAAA', signature.replace('v1,', 'v1a,')])
      expect([none, verify(none)]).toEqual([none, 'no signature']);
    for (const time of ['', 'now', '1e9', `${NOW_MS / 1_000}.5`, '-1'])
      expect([time, verify(signature, NOW_MS, time)]).toEqual([time, 'no signature']);
  });

  it('of Stripe is over time and body, one of several, and only of version 1', async () => {
    const secret = 'whsec_a_secret_of_stripe_is_plain_text';
    const body = '{"id":"evt_1"}';
    const seconds = NOW_MS / 1_000;
    const hex = await hexBy(secret, `${seconds}.${body}`);
    const verifier = verifierOf('stripe', secret);
    const verify = (header: string, nowMs = NOW_MS) =>
      verifier.verify(deliveryOf({ 'stripe-signature': header }, body), nowMs);
    const old = await hexBy('another', `${seconds}.${body}`);
    for (const right of [`t=${seconds},v1=${hex}`, `t=${seconds}, v1=${old}, v1=${hex},v0=${old}`])
      expect([right, isSigned(verify(right))]).toEqual([right, true]);
    expect(verify(`t=${seconds},v1=${hex}`, NOW_MS + 6 * MINUTE_MS)).toBe('late signature');
    expect(verify(`t=${seconds + 1},v1=${hex}`)).toBe('wrong signature');
    expect(verify(`t=${seconds},v1=${old}`)).toBe('wrong signature');
    const none = [
      `v1=${hex}`,
      `t=${seconds},t=1,v1=${hex}`,
      `t=${seconds},v0=${hex}`,
      `t=now,v1=${hex}`,
      hex,
    ];
    for (const header of none) expect([header, verify(header)]).toEqual([header, 'no signature']);
  });

  it('of Shopify is base64 over the body', async () => {
    const secret = 'shpss_0123456789abcdef';
    const signature = Buffer.from(await hexBy(secret, '{"id":1}'), 'hex').toString('base64');
    const verifier = verifierOf('shopify', secret);
    const verify = (body: string, header = signature) =>
      verifier.verify(deliveryOf({ 'x-shopify-hmac-sha256': header }, body), NOW_MS);
    expect(isSigned(verify('{"id":1}'))).toBe(true);
    expect(verify('{"id": 1}')).toBe('wrong signature');
    expect(verify('{"id":1}', signature.slice(4))).toBe('wrong signature');
  });

  it('by rules may sign the id, and is not right without what the rules name', async () => {
    const secret = 'a secret of sixteen characters';
    const rules = {
      prefix: 'v1=',
      signed: '{id}|{timestamp}|{body}',
      timestamp_header: 'x-time',
      id_header: 'x-id',
    };
    const verifier = verifierOf('hmac', secret, rules);
    const hex = await hexBy(secret, '7|2021-02-25T15:02:10Z|body');
    const headers = { 'x-signature': `v1=${hex}`, 'x-time': '2021-02-25T15:02:10Z', 'x-id': '7' };
    const verify = (changed: Readonly<Record<string, string>>) =>
      verifier.verify(deliveryOf({ ...headers, ...changed }, 'body'), NOW_MS);
    expect(verify({})).toMatchObject({ signedAt: '2021-02-25T15:02:10.000000Z' });
    expect(verify({ 'x-id': '8' })).toBe('wrong signature');
    for (const name of Object.keys(headers))
      expect([name, verify({ [name]: '' })]).toEqual([name, 'no signature']);
    expect(verify({ 'x-signature': hex })).toBe('no signature');
  });

  it('is over the bytes of the body, whatever they are', async () => {
    const secret = 'a secret of sixteen characters';
    const bytes = Buffer.from([0, 255, 254, 13, 10, 128]);
    const key = await crypto.subtle.importKey(
      'raw',
      Buffer.from(secret),
      { name: 'HMAC', hash: 'SHA-512' },
      false,
      ['sign'],
    );
    const signature = Buffer.from(await crypto.subtle.sign('HMAC', key, bytes)).toString('base64');
    const verifier = verifierOf('hmac', secret, { algorithm: 'sha512', encoding: 'base64' });
    const headers = { 'x-signature': signature };
    expect(isSigned(verifier.verify(deliveryOf(headers, bytes), NOW_MS))).toBe(true);
  });
});

describe('a delivery', () => {
  it('is signed by any of the secrets of its topic', async () => {
    const [first, second] = ['the first of two secrets', 'the second of two secrets'];
    const verifiers = [first, second].map((secret) => verifierOf('github', secret));
    const stripe = verifierOf('stripe', first);
    for (const secret of [first, second]) {
      const headers = { 'x-hub-signature-256': await signedByOctokit(secret, '{}') };
      const verdict = verifyDelivery([stripe, ...verifiers], deliveryOf(headers, '{}'), NOW_MS);
      expect(isSigned(verdict) && verdict.secret.secret).toBe(secret);
    }
    const headers = { 'x-hub-signature-256': await signedByOctokit('another secret', '{}') };
    const refused = (of: readonly SignatureVerifier[]) =>
      verifyDelivery(of, deliveryOf(headers, '{}'), NOW_MS);
    expect([refused(verifiers), refused([stripe]), refused([])]).toEqual([
      'wrong signature',
      'no signature',
      'unknown topic',
    ]);
  });
});
