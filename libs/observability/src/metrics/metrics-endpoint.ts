/**
 * Serves `/metrics`, `/health/live` and `/health/ready` on a port of their own.
 *
 * Designs: a route of the gateway with a scope would need a key in Prometheus, and be refused together with other
 * requests when the gateway is full, which is when it is needed. Workers have no HTTP server at all. So every program
 * serves its metrics in the same way: on another port, which only the monitoring can reach. It listens on loopback by
 * default, because the names of topics are in it.
 *
 * No key is asked for. So a web page could have the browser of someone on the machine read it, under a name of the page's
 * own that leads here (DNS rebinding). Such a name is in the public DNS and has a dot. Names with a dot are refused
 * unless a setting has them. Addresses and names without a dot, as Compose and Kubernetes give them, are served.
 *
 *   GET /metrics       200, the text format of Prometheus
 *   GET /health/live   200, or 503 when only a restart helps
 *   GET /health/ready  200, or 503 when the program cannot do its work now
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import type { ProgramMetrics } from './program-metrics.js';

const CONNECTIONS_MAX = 32;
const REQUEST_MS_MAX = 5_000;
const CHECK_EVERY_MS = 1_000;
const HEAD_BYTES_MAX = 8_192;
const HOST = /^(?:\[([^\]]+)\]|([a-z0-9._-]+))(?::\d{0,5})?$/;

/** A scrape is one small request. What holds a connection for longer makes room for others. */
const BOUNDS = {
  requestTimeout: REQUEST_MS_MAX,
  headersTimeout: REQUEST_MS_MAX,
  connectionsCheckingInterval: CHECK_EVERY_MS,
  maxHeaderSize: HEAD_BYTES_MAX,
};

/** How a program is. */
export interface HealthReport {
  readonly isLive: boolean;
  readonly isReady: boolean;
  readonly details: object;
}

/** Where it listens, and what it serves. */
export interface MetricsOptions {
  readonly host: string;
  /** Names with a dot that are served in addition, joined by commas. */
  readonly hosts?: string | undefined;
  /** 0 takes a free port. */
  readonly port: number;
  readonly metrics: ProgramMetrics;
  /** Left out where another server answers for the health of the program. */
  readonly health?: () => HealthReport;
}

/** A server of metrics that listens. */
export interface MetricsEndpoint {
  /** For example `http://127.0.0.1:9464`. */
  readonly url: string;
  /** Stops listening and closes its connections. */
  close(): void;
}

/** Starts listening. @throws when the address cannot be taken, with the settings to change */
export async function listenForMetrics(options: MetricsOptions): Promise<MetricsEndpoint> {
  const { host, port } = options;
  const isServed = hostTest(options);
  const server = createServer(BOUNDS, (request, response) => {
    if (!isServed(request.headers.host)) {
      response.writeHead(421).end();
      return;
    }
    answer(options, request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', ({ message }) => {
      const remedy = 'set SEKALI_METRICS_HOST or SEKALI_METRICS_PORT';
      reject(new Error(`metrics cannot be served on ${host}:${port} (${message}): ${remedy}`));
    });
    server.listen(port, host, resolve);
  });
  // The program does not stay alive for it.
  server.unref();
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Returns a test whether a Host header is one of this server. */
export function hostTest({
  host,
  hosts = '',
}: Pick<MetricsOptions, 'host' | 'hosts'>): (header: string | undefined) => boolean {
  const named = new Set([host, ...hosts.split(',')].map((name) => name.trim().toLowerCase()));
  return (header = '') => {
    const [, address, name = ''] = HOST.exec(header.toLowerCase()) ?? [];
    if (address !== undefined) return isIP(address) !== 0;
    return name !== '' && (!name.includes('.') || isIP(name) !== 0 || named.has(name));
  };
}

async function answer(
  { metrics, health }: MetricsOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
  } else if (path === '/metrics') {
    const text = await metrics.text();
    response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text);
  } else if (health !== undefined && (path === '/health/live' || path === '/health/ready')) {
    const { isLive, isReady, details } = health();
    const isWell = path === '/health/live' ? isLive : isReady;
    response.writeHead(isWell ? 200 : 503, { 'content-type': 'application/json; charset=utf-8' });
    response.end(`${JSON.stringify({ status: isWell ? 'ok' : 'failed', ...details })}\n`);
  } else {
    response.writeHead(404).end();
  }
}
