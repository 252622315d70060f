/**
 * The protections in front of the routes, in the order in which a request meets them:
 *
 *   request id ─▶ host ─▶ security headers ─▶ CORS ─▶ key ─▶ rate ─▶ route
 *
 * A gateway that is open on loopback has only the first two. The others would cost every request and protect nothing.
 */
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import type { GatewaySettings } from '#config';
import type { Logger } from '#observability';
import { isHandshake } from './cloudevents/handshake.js';
import { clientOf } from './client-address.js';
import { checkHosts } from './hosts.js';
import { isLocal } from './keys/door.js';
import { loggedFailures } from './keys/failed-attempts.js';
import { askForKeys, letEveryoneIn } from './keys/key-guard.js';
import type { KeyRing } from './keys/key-ring.js';
import { problem, ProblemError } from './problems/problem-error.js';
import { RECORD_HEADERS } from './publish/record-defaults.js';
import { REQUEST_ID_HEADER, identifyRequests } from './request-identity.js';

/** The default of requests per second of one key, where keys are required. */
const REQUESTS_PER_SECOND = 1_000;
const PREFLIGHT_SECONDS = 600;
/** Keys or addresses whose requests are counted at a time. The least recently used one is forgotten first. */
const COUNTED_MAX = 10_000;

/** Installs all of it before the routes of a server. @param ring `undefined` where keys are not required */
export async function protect(
  server: FastifyInstance,
  settings: GatewaySettings,
  ring: KeyRing | undefined,
  logger: Logger,
): Promise<void> {
  identifyRequests(server);
  checkHosts(server, settings);
  if (!isLocal(settings)) await addSecurityHeaders(server, settings);
  if (settings.SEKALI_HTTP_CORS_ORIGINS !== undefined) {
    await allowOrigins(server, settings.SEKALI_HTTP_CORS_ORIGINS);
  }
  if (ring === undefined) letEveryoneIn(server);
  else askForKeys(server, ring, loggedFailures(logger, 'key'));
  const most = settings.SEKALI_HTTP_REQUESTS_PER_SECOND_MAX ?? (ring === undefined ? 0 : REQUESTS_PER_SECOND);
  if (most > 0) await boundRate(server, most);
}

async function addSecurityHeaders(server: FastifyInstance, settings: GatewaySettings): Promise<void> {
  // Over plain HTTP neither has an effect. A proxy that terminates TLS sets them itself.
  const isHttps = settings.SEKALI_HTTP_TLS_CERT_FILE !== undefined;
  await server.register(helmet, {
    strictTransportSecurity: isHttps,
    contentSecurityPolicy: { directives: isHttps ? {} : { upgradeInsecureRequests: null } },
  });
}

async function allowOrigins(server: FastifyInstance, origins: string): Promise<void> {
  const options = {
    origin: origins.split(',').map((origin) => origin.trim()),
    methods: ['GET', 'HEAD', 'POST'],
    allowedHeaders: [
      ...['authorization', 'content-encoding', 'content-type', 'prefer', 'x-api-key', REQUEST_ID_HEADER],
      ...['traceparent', 'tracestate'],
      ...RECORD_HEADERS,
    ],
    exposedHeaders: [
      ...['link', 'preference-applied', 'retry-after', 'sekali-cursor', REQUEST_ID_HEADER],
      ...['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'],
    ],
    maxAge: PREFLIGHT_SECONDS,
  };
  await server.register(cors, {
    // The handshake of a webhook is an OPTIONS request, too, and its route answers it.
    delegator: (request, choose) => {
      choose(null, isHandshake(request.headers) ? { ...options, preflight: false } : options);
    },
  });
}

/** Counts by key, else by address, in this process only. Two gateways let twice as many requests through. */
async function boundRate(server: FastifyInstance, requestsPerSecondMax: number): Promise<void> {
  await server.register(rateLimit, {
    max: requestsPerSecondMax,
    timeWindow: 1_000,
    cache: COUNTED_MAX,
    enableDraftSpec: true,
    keyGenerator: (request) => request.access?.keyId ?? clientOf(request.ip),
    errorResponseBuilder: () => {
      const detail = `One key may send ${requestsPerSecondMax} requests a second here. One request may hold many events.`;
      return new ProblemError(problem('too-many-requests', 429, detail));
    },
  });
}
