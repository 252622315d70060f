/**
 * The token of a request, in the forms that clients can send.
 *
 *   Authorization: Bearer <token>
 *   Authorization: Basic <base64 of user:token>     the user is ignored; the token may also be the user alone
 *   Authorization: ApiKey <base64 of id:token>      the id is ignored
 *   X-API-Key: <token>
 *   ?access_token=<token>                           only where a route allows it
 *
 * A token in an address would stand in logs. So it is taken out of the address before anything else reads that, on
 * every route.
 */
import type { IncomingMessage } from 'node:http';
import { apiKeyIdOf } from '#contracts';

const AUTHORIZATION = /^(Bearer|Basic|ApiKey) +(\S+) *$/i;
const QUERY_NAME = 'access_token';

const queryTokens = new WeakMap<IncomingMessage, string>();

/**
 * Takes a token out of the address of a request, and remembers it.
 *
 * @returns the address without it
 */
export function withoutQueryToken(request: IncomingMessage, url: string): string {
  const start = url.indexOf('?');
  if (start === -1 || !/access|%/i.test(url.slice(start))) return url;
  const parameters = url.slice(start + 1).split('&');
  const others = parameters.filter((parameter) => decoded(parameter.split('=', 1)[0] ?? '') !== QUERY_NAME);
  if (others.length === parameters.length) return url;
  const token = new URLSearchParams(url.slice(start + 1)).get(QUERY_NAME);
  if (token !== null && token !== '') queryTokens.set(request, token);
  const rest = others.join('&');
  return rest === '' ? url.slice(0, start) : `${url.slice(0, start)}?${rest}`;
}

/**
 * The token of a request. Where it sends several, one with the form of a token wins.
 *
 * @param allowsQuery whether a token in the address counts
 */
export function tokenOf(request: IncomingMessage, allowsQuery: boolean): string | undefined {
  const key = request.headers['x-api-key'];
  const tokens = [
    ...authorizationTokens(request.headers.authorization ?? ''),
    ...(typeof key === 'string' && key !== '' ? [key] : []),
    ...(allowsQuery ? [queryTokens.get(request) ?? []].flat() : []),
  ];
  return tokens.find((token) => apiKeyIdOf(token) !== undefined) ?? tokens[0];
}

function authorizationTokens(header: string): string[] {
  const [, scheme = '', value = ''] = AUTHORIZATION.exec(header) ?? [];
  if (value === '') return [];
  if (scheme.toLowerCase() === 'bearer') return [value];
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  // Some clients send the token itself, or as the name of a user without a password.
  return [text.slice(colon + 1), text.slice(0, Math.max(0, colon)), value].filter((token) => token !== '');
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
