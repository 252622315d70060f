/** The options of the HTTP server, and its answers where no route was reached. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyHttpOptions, FastifyHttpsOptions } from 'fastify';
import type { GatewaySettings } from '#config';
import { withoutQueryToken } from './keys/token.js';
import { mayBeLong } from './long-requests.js';
import { plainProblem } from './problems/problem-error.js';
import { requestProblem, sendProblem } from './problems/problem.filter.js';
import { endWith } from './raw-answer.js';
import { requestIdOf } from './request-identity.js';

/** An event id may have 256 characters of four bytes, and each byte is written as three characters. */
const PATH_PART_LENGTH_MAX = 8_192;
/** Twice that, and room for the other lines of a head. */
const HEAD_BYTES_MAX = 24_576;
/** How often the server checks for requests that take too long to arrive. */
const CHECK_EVERY_MS = 1_000;
/** This is longer than any answer may take. Only a peer that reads nothing, or is gone, is silent that long. */
const SILENT_MS_MAX = 150_000;
/** How long a connection is kept for the next request. It is longer than the minute of common load balancers. */
const KEPT_MS_MAX = 72_000;
/** After this silence, the other side is probed. */
const PROBE_AFTER_MS = 30_000;

const TRAILED =
  /^\/(?:publish|cloudevents|v1\/logs|webhooks\/[^/]+|upload|loki\/api\/v1\/push|events(?:\/(?:stream|export))?|dead-letters|stats|histogram|facets|health(?:\/live|\/ready)?|docs)\/$/;

/** Options of the server. Throws when the certificate or its key cannot be read. */
export function serverOptions(
  settings: GatewaySettings,
): FastifyHttpOptions<never> | FastifyHttpsOptions<never> {
  const arrivalMsMax = settings.SEKALI_HTTP_REQUEST_MS_MAX;
  const bounds = {
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: Math.ceil(arrivalMsMax / 6),
    connectionsCheckingInterval: CHECK_EVERY_MS,
    // Our own hook checks it, because Node's own refusal has no body.
    requireHostHeader: false,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_AFTER_MS,
  };
  const tls = certificate(settings);
  return {
    bodyLimit: settings.SEKALI_BODY_BYTES_MAX,
    requestTimeout: arrivalMsMax,
    connectionTimeout: SILENT_MS_MAX,
    keepAliveTimeout: KEPT_MS_MAX,
    rewriteUrl: rewritten,
    trustProxy: settings.SEKALI_HTTP_TRUST_PROXY?.split(',').map((range) => range.trim()) ?? false,
    genReqId: requestIdOf,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: PATH_PART_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => {
      sendProblem(reply, requestProblem(error.statusCode ?? 400, error), {}, request.url);
    },
    clientErrorHandler: refuseUnreadable,
    ...(tls === undefined ? { http: bounds } : { https: { ...bounds, ...tls, minVersion: 'TLSv1.2' } }),
  };
}

/** The address without a token. Fastify keeps the original one as well. */
function rewritten(request: IncomingMessage & { originalUrl?: string }): string {
  const url = withoutQueryToken(request, request.url ?? '');
  request.originalUrl = url;
  return withoutTrailingSlash(url);
}

/** A slash at the end of a route is ignored. A slash at the end of an event's id is part of the id. */
function withoutTrailingSlash(url: string): string {
  const [path = ''] = url.split('?', 1);
  return path.endsWith('/') && TRAILED.test(path) ? path.slice(0, -1) + url.slice(path.length) : url;
}

function certificate(settings: GatewaySettings): { cert: Buffer; key: Buffer } | undefined {
  const { SEKALI_HTTP_TLS_CERT_FILE: cert, SEKALI_HTTP_TLS_KEY_FILE: key } = settings;
  return cert === undefined || key === undefined
    ? undefined
    : { cert: readFileSync(cert), key: readFileSync(key) };
}

/** Answers bytes that are not HTTP, or came too late. They go to the bare socket, because there is no request. */
function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && mayBeLong(socket)) return;
  // Otherwise an answer that has started would be continued by this one.
  const { _httpMessage: begun } = socket as Socket & { _httpMessage?: ServerResponse | null };
  if (error.code === 'ECONNRESET' || !socket.writable || begun?.headersSent === true) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const detail =
    status === 408
      ? 'The request did not arrive in time.'
      : 'The request is not HTTP that this server can read.';
  endWith(socket, plainProblem(status, detail), randomUUID());
}
