/**
 * The signature of a delivery: who signed it, and when.
 *
 *   headers ─▶ claim: signatures, what they are over, the time ─▶ HMAC over the bytes as they came ─▶ in time?
 *        └─ no signature                          wrong signature ┘                 late signature ┘
 *
 * The bytes are compared in constant time. The time is checked last, so that "late" in the log is true: the sender knows
 * the secret and has another clock, or a delivery was recorded and sent again.
 */
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { recordTimestamp, signedParts, webhookKey, type HmacRules, type WebhookSecret } from '#contracts';

/** What came over the wire. */
export interface Delivery {
  readonly headers: IncomingHttpHeaders;
  /** The body as it was sent, before any decoding. */
  readonly body: Buffer;
}

/** Why a delivery is refused. Only the log says it. */
export type SignatureRefusal = 'unknown topic' | 'no signature' | 'wrong signature' | 'late signature';

/** A delivery whose signature is right. */
export interface SignedBy {
  readonly secret: WebhookSecret;
  /** The signed time in UTC with microseconds; `undefined` where the sender signs none. */
  readonly signedAt: string | undefined;
}

/** What a delivery claims. */
interface Claim {
  readonly algorithm: HmacRules['algorithm'];
  readonly signatures: readonly Buffer[];
  /** What is signed. Texts have one character for each byte, as Node reads headers. */
  readonly parts: readonly (string | Buffer)[];
  readonly time?: string;
}

type ClaimReader = (delivery: Delivery) => Claim | undefined;

const GITHUB: HmacRules = {
  signature_header: 'x-hub-signature-256',
  algorithm: 'sha256',
  encoding: 'hex',
  prefix: 'sha256=',
  signed: '{body}',
};
const SHOPIFY: HmacRules = {
  signature_header: 'x-shopify-hmac-sha256',
  algorithm: 'sha256',
  encoding: 'base64',
  prefix: '',
  signed: '{body}',
};

/** Svix had the headers before they became a standard. */
const STANDARD_NAMES = ['webhook', 'svix'];
const STANDARD_VERSION = 'v1,';
const STRIPE_VERSION = 'v1';
const SECONDS = /^\d{1,11}$/;
/** From the most to the least telling. */
const REFUSALS: readonly SignatureRefusal[] = ['late signature', 'wrong signature', 'no signature'];

/** Verifies the deliveries that one secret signs. */
export class SignatureVerifier {
  private readonly key: KeyObject;
  private readonly claimOf: ClaimReader;

  constructor(private readonly secret: WebhookSecret) {
    this.key = createSecretKey(webhookKey(secret));
    this.claimOf = claimReader(secret);
  }

  /** Verifies one delivery. @param nowMs the time of arrival */
  verify(delivery: Delivery, nowMs: number): SignedBy | SignatureRefusal {
    const { secret } = this;
    const claim = this.claimOf(delivery);
    if (claim === undefined || claim.signatures.length === 0) return 'no signature';
    const hmac = createHmac(claim.algorithm, this.key);
    for (const part of claim.parts) {
      if (typeof part === 'string') hmac.update(part, 'latin1');
      else hmac.update(part);
    }
    const expected = hmac.digest();
    // Everyone knows the length of a hash.
    const isSigned = claim.signatures.some(
      (signature) => signature.length === expected.length && timingSafeEqual(signature, expected),
    );
    if (!isSigned) return 'wrong signature';
    if (claim.time === undefined) return { secret, signedAt: undefined };
    const signedAt = recordTimestamp(claim.time);
    // In either direction: a time of the far future would be valid for as long.
    const isInTime =
      signedAt !== undefined && Math.abs(nowMs - Date.parse(signedAt)) <= secret.tolerance_seconds * 1_000;
    return isInTime ? { secret, signedAt } : 'late signature';
  }
}

/**
 * Verifies a delivery with each secret of its topic.
 *
 * @returns the first secret that signed it, else the most telling reason
 */
export function verifyDelivery(
  verifiers: readonly SignatureVerifier[],
  delivery: Delivery,
  nowMs: number,
): SignedBy | SignatureRefusal {
  const refusals = new Set<SignatureRefusal>();
  for (const verifier of verifiers) {
    const verdict = verifier.verify(delivery, nowMs);
    if (typeof verdict === 'object') return verdict;
    refusals.add(verdict);
  }
  return REFUSALS.find((refusal) => refusals.has(refusal)) ?? 'unknown topic';
}

/** A header in the characters that Node reads, one for each byte; `undefined` when it is missing or empty. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function claimReader({ provider, rules }: WebhookSecret): ClaimReader {
  if (provider === 'standard') return standardClaim;
  if (provider === 'stripe') return stripeClaim;
  const known = provider === 'github' ? GITHUB : provider === 'shopify' ? SHOPIFY : rules;
  return known === null ? () => undefined : ruledClaim(known);
}

/** `webhook-signature: v1,<base64> v1,<base64>`, over the id, the time and the body. */
function standardClaim({ headers, body }: Delivery): Claim | undefined {
  for (const name of STANDARD_NAMES) {
    const id = headerOf(headers, `${name}-id`);
    const time = headerOf(headers, `${name}-timestamp`);
    const list = headerOf(headers, `${name}-signature`);
    if (id === undefined || time === undefined || list === undefined || !SECONDS.test(time)) continue;
    const signatures = list
      .split(' ')
      .filter((one) => one.startsWith(STANDARD_VERSION))
      .map((one) => Buffer.from(one.slice(STANDARD_VERSION.length), 'base64'));
    return { algorithm: 'sha256', signatures, parts: [id, '.', time, '.', body], time };
  }
  return undefined;
}

/** `Stripe-Signature: t=<seconds>,v1=<hex>,v1=<hex>,v0=<hex>`, over the time and the body. */
function stripeClaim({ headers, body }: Delivery): Claim | undefined {
  const members = (headerOf(headers, 'stripe-signature') ?? '').split(',').map((member) => {
    const [name = '', value = ''] = member.trim().split('=', 2);
    return { name, value };
  });
  const [time, ...others] = members.filter(({ name }) => name === 't').map(({ value }) => value);
  if (time === undefined || others.length > 0 || !SECONDS.test(time)) return undefined;
  const signatures = members
    .filter(({ name }) => name === STRIPE_VERSION)
    .map(({ value }) => Buffer.from(value, 'hex'));
  return { algorithm: 'sha256', signatures, parts: [time, '.', body], time };
}

function ruledClaim(rules: HmacRules): ClaimReader {
  const { algorithm, encoding, prefix } = rules;
  const parts = signedParts(rules.signed);
  const optional = (headers: IncomingHttpHeaders, name: string | undefined): string | undefined =>
    name === undefined ? undefined : headerOf(headers, name);
  return ({ headers, body }) => {
    const signature = headerOf(headers, rules.signature_header);
    const time = optional(headers, rules.timestamp_header);
    const id = optional(headers, rules.id_header);
    const isComplete =
      signature?.startsWith(prefix) === true &&
      (rules.timestamp_header === undefined || time !== undefined) &&
      (!parts.includes('{id}') || id !== undefined);
    if (!isComplete) return undefined;
    const values: Readonly<Record<string, string | Buffer | undefined>> = {
      '{body}': body,
      '{timestamp}': time,
      '{id}': id,
    };
    return {
      algorithm,
      signatures: [Buffer.from(signature.slice(prefix.length), encoding)],
      parts: parts.map((part) => values[part] ?? part),
      ...(time !== undefined && { time }),
    };
  };
}
