/** What all routes have in common: the headers of answers, the forms of a key, and the problems of every route. */
import { PROBLEM_DESCRIPTIONS } from '../problems/problem-descriptions.js';
import type { ProblemKind } from '../problems/problem-error.js';
import type { HeaderName, OperationDescription, Parameter, ProblemAt, Schema } from './operation.js';

/** A header of an answer. */
interface Header {
  /** In the form in which it is usually written. */
  readonly name: string;
  readonly description: string;
  readonly schema: Schema;
}

const TEXT: Schema = { type: 'string' };
const WHOLE: Schema = { type: 'string', pattern: '^[0-9]+$' };
const LINK: Schema = { type: 'string', pattern: '^<[^>]+>; rel="next"$' };

/** Headers of answers by their name in the document. */
export const HEADERS: Readonly<Record<HeaderName | CommonHeader, Header>> = {
  RequestId: {
    name: 'X-Request-Id',
    description: 'The id of the request: the one that it brought, or a new one. It also stands in the log.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
  },
  RateLimitLimit: {
    name: 'RateLimit-Limit',
    description: 'Requests of one key in a second, at most, where they are counted.',
    schema: WHOLE,
  },
  RateLimitRemaining: {
    name: 'RateLimit-Remaining',
    description: 'Requests that are left of them.',
    schema: WHOLE,
  },
  RateLimitReset: {
    name: 'RateLimit-Reset',
    description: 'Seconds until they are counted again.',
    schema: WHOLE,
  },
  Challenge: { name: 'WWW-Authenticate', description: 'Which key is needed.', schema: TEXT },
  AcceptEncoding: {
    name: 'Accept-Encoding',
    description: 'The encodings that are taken, where another one was sent.',
    schema: TEXT,
  },
  Allow: { name: 'Allow', description: 'The methods of the address.', schema: TEXT },
  ElasticProduct: {
    name: 'X-Elastic-Product',
    description: 'Clients of Elasticsearch talk to no server without it.',
    schema: { const: 'Elasticsearch' },
  },
  Link: { name: 'Link', description: 'Leads to the next page, while there is one.', schema: LINK },
  PreferenceApplied: {
    name: 'Preference-Applied',
    description: 'The preferences that were followed.',
    schema: { type: 'string', pattern: '^(handling=lenient|(handling=lenient, )?wait=[0-9]+)$' },
  },
  RetryAfter: { name: 'Retry-After', description: 'Seconds until it may be sent again.', schema: WHOLE },
  SekaliCursor: {
    name: 'Sekali-Cursor',
    description: 'Where to go on behind this page, now or later.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' },
  },
  SekaliWalk: {
    name: 'Sekali-Walk',
    description:
      'How far the page inspected: `complete`, or `partial` up to an event with this `seq` and time of storing. `rows` are ' +
      'the events that were inspected one by one. An item of RFC 9651.',
    schema: {
      type: 'string',
      pattern: String.raw`^(complete(;rows=\d+)?|partial(;rows=\d+)?;seq=\d+;time="[0-9TZ:.-]+")$`,
    },
  },
  WebHookAllowedOrigin: {
    name: 'WebHook-Allowed-Origin',
    description: 'The origin that asked.',
    schema: TEXT,
  },
  WebHookAllowedRate: {
    name: 'WebHook-Allowed-Rate',
    description: 'Requests per minute, or `*`.',
    schema: TEXT,
  },
};

/** Headers that no door names. */
type CommonHeader =
  'RequestId' | 'RateLimitLimit' | 'RateLimitRemaining' | 'RateLimitReset' | 'Challenge' | 'AcceptEncoding';

/** The parameter that every route takes. */
export const REQUEST_ID: Parameter = {
  name: 'X-Request-Id',
  in: 'header',
  description: 'An id of the client, which the answer and the log then have.',
  schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
};

const TOKEN = 'sekali_…, as `sekali keys create` prints it once';

/** The forms of a key. */
export const SECURITY_SCHEMES: Readonly<Record<string, Schema>> = {
  bearer: { type: 'http', scheme: 'bearer', description: `Authorization: Bearer ${TOKEN}.` },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'The token as the password, with any user; or the token as the user.',
  },
  apiKeyScheme: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description:
      'Authorization: ApiKey, and the base64 of an id, a colon and the token. The id may be any name.',
  },
  apiKeyHeader: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'The token, for clients that cannot send `Authorization`.',
  },
  queryToken: {
    type: 'apiKey',
    in: 'query',
    name: 'access_token',
    description: 'The token, at the address of CloudEvents alone. It is removed before anything is logged.',
  },
};

/** The forms that a route takes. The roles of each are the scope that the key needs. */
export function securityOf({ scope, queryToken = false }: OperationDescription): object[] {
  if (scope === 'none') return [];
  return Object.keys(SECURITY_SCHEMES)
    .filter((name) => queryToken || name !== 'queryToken')
    .map((name) => ({ [name]: [scope] }));
}

/** The kinds of problems of every route. */
export const EVERY_ROUTE: readonly ProblemKind[] = ['malformed-request', 'wrong-host', 'busy', 'stopping'];

/** The problems that a route may answer with: those that it names, and those that it shares with others. */
export function problemsOf(operation: OperationDescription): ProblemAt[] {
  const { scope, method, problems = [], isRateBounded = true } = operation;
  const kinds: ProblemKind[] = [...EVERY_ROUTE];
  if (isRateBounded) kinds.push('too-many-requests');
  if (scope !== 'none') kinds.push('no-key', 'missing-scope', 'unavailable');
  // A body is read although the route needs none.
  if (method !== 'get' && method !== 'head')
    kinds.push('tiny-chunks', 'too-slow', 'too-large', 'unsupported-type');
  const all = [...kinds, ...problems].map((one) =>
    typeof one === 'string' ? { kind: one, status: PROBLEM_DESCRIPTIONS[one].status } : one,
  );
  return [...new Map(all.map((one) => [`${one.status} ${one.kind}`, one])).values()];
}

/** Statuses that explain themselves, and when they are the answer. Every route has them. */
export const PLAIN_ANSWERS: ReadonlyMap<number, string> = new Map([
  [408, 'The request does not arrive in time.'],
  [417, 'The client expects something else than `100-continue`.'],
  [431, 'The head of the request is larger than 24 KiB.'],
  [500, 'This is a fault of the gateway. Its log has the details.'],
]);
