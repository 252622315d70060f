/** How the HTTP server is made; also what it answers where no route was reached. */
import { readFileSync } from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyHttpOptions, FastifyHttpsOptions } from 'fastify';
import type { GatewaySettings } from '#config';
import { plainProblem } from './problems/problem-error.js';
import { PROBLEM_TYPE, requestProblem, sendProblem } from './problems/problem.filter.js';
import { requestIdOf } from './request-identity.js';

/** An event id may be 256 characters of four bytes, each written as three characters. */
const PATH_PART_LENGTH_MAX = 8_192;
/** Twice that, and room for the other lines of a head. */
const HEAD_BYTES_MAX = 24_576;
/** How often requests that take too long to arrive are looked for. */
const CHECK_EVERY_MS = 1_000;
/** Longer than an answer may take: only a peer that reads nothing, or is gone, is silent for so long. */
const SILENT_MS_MAX = 150_000;
/** After which silence the other side is asked whether it is still there. */
const PROBE_AFTER_MS = 30_000;

/** Options of the server. Throws when the certificate or its key cannot be read. */
export function serverOptions(
  settings: GatewaySettings,
): FastifyHttpOptions<never> | FastifyHttpsOptions<never> {
  const arrivalMsMax = settings.SEKALI_HTTP_REQUEST_MS_MAX;
  const bounds = {
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: Math.ceil(arrivalMsMax / 6),
    connectionsCheckingInterval: CHECK_EVERY_MS,
    // Asked for by a hook of ours: Node's own refusal has no body.
    requireHostHeader: false,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_AFTER_MS,
  };
  const tls = certificate(settings);
  return {
    bodyLimit: settings.SEKALI_BODY_BYTES_MAX,
    requestTimeout: arrivalMsMax,
    connectionTimeout: SILENT_MS_MAX,
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

function certificate(settings: GatewaySettings): { cert: Buffer; key: Buffer } | undefined {
  const { SEKALI_HTTP_TLS_CERT_FILE: cert, SEKALI_HTTP_TLS_KEY_FILE: key } = settings;
  return cert === undefined || key === undefined
    ? undefined
    : { cert: readFileSync(cert), key: readFileSync(key) };
}

/** Answers what Node would answer by itself, without a body: a request that expects what nobody promises. */
export function refuseExpectations(server: Pick<Server, 'on'>): void {
  const refuse: RequestListener = (_request, response) => {
    const text = JSON.stringify(plainProblem(417, 'The only expectation that is met is 100-continue.'));
    const length = Buffer.byteLength(text);
    const headers = { 'content-type': PROBLEM_TYPE, 'content-length': length, connection: 'close' };
    response.writeHead(417, headers).end(text);
  };
  server.on('checkExpectation', refuse);
}

/** Bytes that are not HTTP: answered on the bare socket, for there is no request. */
function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = plainProblem(status, 'The request is not HTTP that this server can read.');
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} ${body.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}
