/**
 * Secrets of webhooks: who signs deliveries to a topic, with what, and how a delivery is turned into an event.
 *
 * A secret has to be kept as it is. An HMAC cannot be verified with a hash of its key.
 */
import { randomBytes } from 'node:crypto';

/** Whose signatures are understood. `hmac` is any other sender, described by `HmacRules`. */
export const WEBHOOK_PROVIDERS = ['standard', 'github', 'stripe', 'shopify', 'hmac'] as const;

/** One of the providers. */
export type WebhookProvider = (typeof WEBHOOK_PROVIDERS)[number];

/** Hashes that an HMAC may use. */
export const HMAC_ALGORITHMS = ['sha256', 'sha512', 'sha1'] as const;
/** How a signature is written. */
export const HMAC_ENCODINGS = ['hex', 'base64'] as const;

/** How a sender signs. Its members are named as on the wire. */
export interface HmacRules {
  /** The header with the signature, in lower case. */
  readonly signature_header: string;
  readonly algorithm: (typeof HMAC_ALGORITHMS)[number];
  readonly encoding: (typeof HMAC_ENCODINGS)[number];
  /** What stands before the signature in its header, for example `sha256=`. */
  readonly prefix: string;
  /** What is signed: text with `{body}` once, and `{timestamp}` and `{id}` where their headers are named. */
  readonly signed: string;
  /** The header with the time of signing; without it, a delivery never becomes late. */
  readonly timestamp_header?: string;
  /** The header with the id of the delivery. */
  readonly id_header?: string;
  /** The member of the body with the id: its name, or a JSON Pointer. */
  readonly id_field?: string;
}

/** A secret in the form in which it is stored. Its members are named as on the wire. */
export interface WebhookSecret {
  /** 16 lowercase hexadecimal characters. */
  readonly secret_id: string;
  /** A name for people, of 1 to 128 characters. */
  readonly name: string;
  /** The topic whose deliveries it signs. */
  readonly topic: string;
  readonly provider: WebhookProvider;
  /** The source of the events. */
  readonly source: string;
  readonly secret: string;
  /** Seconds between the signed time and now, at most, in either direction. */
  readonly tolerance_seconds: number;
  /** Headers that are kept in the payload, in lower case. They must be the same in every repeat of a delivery. */
  readonly headers: readonly string[];
  /** `null` for every provider except `hmac`. */
  readonly rules: HmacRules | null;
}

/** Secrets of one topic that are valid at a time. Each costs a delivery, also a stranger's, one HMAC. */
export const WEBHOOK_SECRETS_PER_TOPIC_MAX = 4;
/** Seconds of tolerance when none is given: what Stripe and Standard Webhooks recommend. */
export const WEBHOOK_TOLERANCE_SECONDS = 300;
/** Seconds of tolerance, at most. */
export const WEBHOOK_TOLERANCE_SECONDS_MAX = 86_400;
/** Headers that one secret keeps, at most. */
export const WEBHOOK_HEADERS_MAX = 20;

/** The headers that are kept when none are named. No time or number of an attempt is among them. */
export const WEBHOOK_HEADERS: Readonly<Record<WebhookProvider, readonly string[]>> = {
  standard: ['content-type'],
  // Hooks that send the same event have one delivery id, so the id of the hook would cause a conflict.
  github: ['content-type', 'x-github-event'],
  stripe: ['content-type'],
  shopify: [
    'content-type',
    'x-shopify-topic',
    'x-shopify-shop-domain',
    'x-shopify-api-version',
    'x-shopify-event-id',
  ],
  hmac: ['content-type'],
};

const STANDARD_PREFIX = 'whsec_';
const STANDARD_BYTES_MIN = 24;
const STANDARD_BYTES_MAX = 64;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const PLAIN_SECRET = /^[\x21-\x7e](?:[\x20-\x7e]{14,510})[\x21-\x7e]$/;
const HEADER = /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const PREFIX = /^[\x21-\x7e]{0,64}$/;
const SIGNED = /^[\x20-\x7e]{1,256}$/;
const PLACEHOLDER = /\{(body|timestamp|id)\}/g;
const SECRET_ID = /^[0-9a-f]{16}$/;

/** Draws the id of a secret. */
export function newWebhookSecretId(): string {
  return randomBytes(8).toString('hex');
}

/** Draws a secret of 32 random bytes, in the form of a provider. Stripe and Shopify issue their own. */
export function newWebhookSecret(provider: WebhookProvider): string {
  const bytes = randomBytes(32);
  return provider === 'standard' ? STANDARD_PREFIX + bytes.toString('base64') : bytes.toString('hex');
}

/** The bytes with which an HMAC is keyed. */
export function webhookKey({ provider, secret }: Pick<WebhookSecret, 'provider' | 'secret'>): Buffer {
  return provider === 'standard' ? standardKey(secret) : Buffer.from(secret, 'utf8');
}

/** Says what is wrong with the id of a secret, or `undefined` when nothing is. */
export function webhookSecretIdError(value: unknown): string | undefined {
  return typeof value === 'string' && SECRET_ID.test(value)
    ? undefined
    : 'the id of a secret is 16 characters of 0-9 a-f: see "sekali webhooks list"';
}

/** Says what is wrong with a secret, or `undefined` when nothing is. It never repeats the secret. */
export function webhookSecretError(provider: WebhookProvider, secret: string): string | undefined {
  if (provider !== 'standard') {
    return PLAIN_SECRET.test(secret) ? undefined : 'a secret is 16 to 512 printable characters of ASCII';
  }
  const { length } = standardKey(secret);
  const isRight =
    BASE64.test(withoutPrefix(secret)) && length >= STANDARD_BYTES_MIN && length <= STANDARD_BYTES_MAX;
  return isRight
    ? undefined
    : `a secret of Standard Webhooks is ${STANDARD_PREFIX} and the base64 of ${STANDARD_BYTES_MIN} to ${STANDARD_BYTES_MAX} bytes`;
}

/** Says what is wrong with the name of a header, or `undefined` when nothing is. */
export function webhookHeaderError(value: unknown): string | undefined {
  return typeof value === 'string' && HEADER.test(value)
    ? undefined
    : 'a header is named by 1 to 128 characters that HTTP allows, in lower case';
}

/** Says what is wrong with the rules of a sender, or `undefined` when nothing is. */
export function hmacRulesError(rules: HmacRules): string | undefined {
  const { signature_header, timestamp_header, id_header, id_field, prefix, signed } = rules;
  for (const header of [signature_header, timestamp_header, id_header]) {
    const error = header === undefined ? undefined : webhookHeaderError(header);
    if (error !== undefined) return error;
  }
  if (!PREFIX.test(prefix)) return 'a prefix has up to 64 printable characters without blanks';
  if (!SIGNED.test(signed)) return 'what is signed is described by up to 256 printable characters';
  if (id_header !== undefined && id_field !== undefined)
    return 'the id is in a header or in the body, not in both';
  const named = [...signed.matchAll(PLACEHOLDER)].map(([, name]) => name);
  if (named.filter((name) => name === 'body').length !== 1) return 'what is signed has {body} once';
  // A time that is not signed could be changed by anyone, so it would protect from nothing.
  if (named.includes('timestamp') !== (timestamp_header !== undefined))
    return 'what is signed has {timestamp} where the header of the time is named, and only there';
  if (named.includes('id') && id_header === undefined)
    return 'what is signed has {id} only where the header of the id is named';
  return undefined;
}

/** Splits what is signed into text and placeholders: `v0:{timestamp}` becomes `v0:` and `{timestamp}`. */
export function signedParts(signed: string): readonly string[] {
  return signed.split(/(\{(?:body|timestamp|id)\})/).filter((part) => part !== '');
}

function standardKey(secret: string): Buffer {
  return Buffer.from(withoutPrefix(secret), 'base64');
}

function withoutPrefix(secret: string): string {
  return secret.startsWith(STANDARD_PREFIX) ? secret.slice(STANDARD_PREFIX.length) : secret;
}
