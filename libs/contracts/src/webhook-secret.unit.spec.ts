import { describe, expect, it } from '@jest/globals';
import {
  hmacRulesError,
  newWebhookSecret,
  signedParts,
  WEBHOOK_HEADERS,
  WEBHOOK_PROVIDERS,
  webhookHeaderError,
  webhookKey,
  webhookSecretError,
  type HmacRules,
} from './webhook-secret.js';

const rules: HmacRules = {
  signature_header: 'x-signature',
  algorithm: 'sha256',
  encoding: 'hex',
  prefix: 'sha256=',
  signed: '{body}',
};

describe('a secret of a webhook', () => {
  it('is right when it was drawn, for every provider', () => {
    for (const provider of WEBHOOK_PROVIDERS) {
      const secret = newWebhookSecret(provider);
      expect([provider, webhookSecretError(provider, secret)]).toEqual([provider, undefined]);
      expect(webhookKey({ provider, secret }).length).toBeGreaterThanOrEqual(32);
    }
  });

  it.each([
    ['github', 'fifteen charact'],
    ['github', ''],
    ['stripe', 'a line\nand another one'],
    ['shopify', ' begins with a blank'],
    ['hmac', 'ends with a blank     '],
    ['hmac', 'x'.repeat(513)],
    ['hmac', 'ünusual in a header'],
    ['standard', 'whsec_'],
    ['standard', `whsec_${Buffer.alloc(23).toString('base64')}`],
    ['standard', `whsec_${Buffer.alloc(65).toString('base64')}`],
    ['standard', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!'],
  ] as const)('of %s may not be %j', (provider, secret) => {
    const error = webhookSecretError(provider, secret);
    expect(error).toEqual(expect.any(String));
    const isShown = secret.length > 'whsec_'.length && error?.includes(secret.trim());
    expect(isShown).toBe(false);
  });

  it('of Standard Webhooks is a key of bytes, and of others one of characters', () => {
    expect(
      webhookKey({ provider: 'standard', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }),
    ).toHaveLength(24);
    expect(webhookKey({ provider: 'stripe', secret: 'whsec_MfKQ9r8GKYqr' }).toString()).toBe(
      'whsec_MfKQ9r8GKYqr',
    );
  });

  it('keeps headers that HTTP has, and no signature', () => {
    const all = Object.values(WEBHOOK_HEADERS).flat();
    expect(all.map(webhookHeaderError).filter((error) => error !== undefined)).toEqual([]);
    expect(all.filter((name) => /signature|hmac|timestamp|delivery/.test(name))).toEqual([]);
    for (const wrong of ['X-Upper', 'a b', '', 'a:b', 1]) expect(webhookHeaderError(wrong)).toBeDefined();
  });
});

describe('the rules of a sender', () => {
  it.each([
    [{}],
    [{ signed: '{timestamp}.{body}', timestamp_header: 'x-time' }],
    [{ signed: '{id}.{body}', id_header: 'x-id', prefix: '' }],
    [{ id_field: '/event/id' }],
  ])('may be %j', (more) => {
    expect(hmacRulesError({ ...rules, ...more })).toBeUndefined();
  });

  it.each([
    [{ signed: '' }],
    [{ signed: 'body' }],
    [{ signed: '{body}{body}' }],
    [{ signed: '{timestamp}.{body}' }],
    [{ timestamp_header: 'x-time' }],
    [{ signed: '{id}.{body}' }],
    [{ id_header: 'x-id', id_field: 'id' }],
    [{ signature_header: 'X-Signature' }],
    [{ id_header: 'a b' }],
    [{ prefix: 'a b' }],
    [{ signed: '{body}\n' }],
  ])('may not be %j', (more) => {
    expect(hmacRulesError({ ...rules, ...more })).toEqual(expect.any(String));
  });

  it('are split at their placeholders alone', () => {
    expect(signedParts('v0:{timestamp}:{body}{x}')).toEqual(['v0:', '{timestamp}', ':', '{body}', '{x}']);
  });
});
