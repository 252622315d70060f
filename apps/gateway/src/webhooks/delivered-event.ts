/**
 * A signed delivery as an event.
 *
 *   topic      the one in the address
 *   event_id   the provider's id of the delivery, which every repeat has; else the hash of source and payload
 *   timestamp  the signed time, else the time of arrival
 *   source     the one of the secret
 *   payload    {"headers":{…},"body":…}, the body with the characters of the provider
 *
 * The body of GitHub and Shopify does not say what happened; a header does. So chosen headers are part of the payload.
 * They are the same in every repeat, because a repeat with another payload would be a conflict.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import {
  base64Member,
  bodyMember,
  canonicalJson,
  givenId,
  payloadError,
  RecordIds,
  type BodyMember,
  type DerivedId,
  type SekaliEvent,
  type WebhookSecret,
} from '#contracts';
import { scalarAt } from '../publish/record-reader.js';
import { headerOf, type Delivery, type SignedBy } from './signature.js';

/** An event, and where its id comes from. */
export interface DeliveredEvent {
  readonly event: SekaliEvent;
  readonly idOrigin: DerivedId['origin'];
}

/** Headers with the id of a delivery. Shopify's event id is shared by deliveries of several kinds, so it is none. */
const ID_HEADERS: Readonly<Record<WebhookSecret['provider'], readonly string[]>> = {
  standard: ['webhook-id', 'svix-id'],
  github: ['x-github-delivery'],
  stripe: [],
  shopify: ['x-shopify-webhook-id'],
  hmac: [],
};
const STRIPE_ID_FIELD = 'id';

/** The event of a delivery. @param nowMs the time of arrival */
export function deliveredEvent(
  topic: string,
  { headers, body }: Delivery,
  { secret, signedAt }: SignedBy,
  nowMs: number,
): DeliveredEvent {
  const kept = keptHeaders(headers, secret.headers);
  const member = bodyMember('body', headerOf(headers, 'content-type'), body);
  const payload = storable(kept, member) ?? payloadOf(kept, base64Member('body', body));
  const { source } = secret;
  const id = givenId(idOf(secret, headers, member) ?? '') ?? hashOf(source, payload);
  const timestamp = signedAt ?? new Date(nowMs).toISOString().replace('Z', '000Z');
  return { event: { topic, eventId: id.eventId, timestamp, source, payload }, idOrigin: id.origin };
}

function payloadOf(headers: string, { text }: BodyMember): string {
  return `{"headers":${headers},${text}}`;
}

/**
 * The payload, unless Postgres cannot keep it. Its sender would repeat it in vain, so it is kept as base64 then.
 */
function storable(headers: string, member: BodyMember): string | undefined {
  const payload = payloadOf(headers, member);
  return payloadError(JSON.parse(payload), payload) === undefined ? payload : undefined;
}

function keptHeaders(headers: IncomingHttpHeaders, names: readonly string[]): string {
  const present = names.flatMap((name) => {
    const value = headerOf(headers, name);
    return value === undefined ? [] : [[name, textOf(value)] as const];
  });
  return JSON.stringify(Object.fromEntries(present));
}

function idOf(
  { provider, rules }: WebhookSecret,
  headers: IncomingHttpHeaders,
  { json }: BodyMember,
): string | undefined {
  const names = rules?.id_header === undefined ? ID_HEADERS[provider] : [rules.id_header];
  const inHeader = names.map((name) => headerOf(headers, name)).find((id) => id !== undefined);
  if (inHeader !== undefined) return textOf(inHeader);
  const field = provider === 'stripe' ? STRIPE_ID_FIELD : rules?.id_field;
  return field === undefined || json === undefined ? undefined : scalarAt(json, field);
}

/** The time is not part of it: a repeat is signed at another time. */
function hashOf(source: string, payload: string): DerivedId {
  return new RecordIds().next([source, canonicalJson(payload)]);
}

/** Node reads a header as Latin-1. Most senders write UTF-8. */
function textOf(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}
