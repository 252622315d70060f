/**
 * Checks which host a request is for (RFC 9110, 7.2). There must be one Host header, and an open gateway accepts only
 * its own hosts.
 *
 * A web page may point its own name at 127.0.0.1, and the browser then lets it read and write any service there (DNS
 * rebinding). But the page cannot choose the Host header of the browser. Where keys are required, the page has none.
 */
import type { FastifyInstance } from 'fastify';
import type { GatewaySettings } from '#config';
import { doorOf } from './keys/door.js';
import { problem, ProblemError } from './problems/problem-error.js';

const OWN = ['localhost', '127.0.0.1', '[::1]'];
const EVERY_ADDRESS = ['0.0.0.0', '::'];
const HOST = /^(\[[\d.:a-f]+\]|[^:/@[\]]+)(?::\d{0,5})?$/i;

const NO_HOST = problem('malformed-request', 400, 'The request has no Host header.');
const HOSTS = problem('malformed-request', 400, 'The request has more than one Host header.');
const WRONG_HOST = problem(
  'wrong-host',
  421,
  'Without keys this gateway answers to localhost, 127.0.0.1, [::1] and the hosts that SEKALI_HTTP_HOSTS names.',
);

/** Refuses requests without a single Host, or for another host. */
export function checkHosts(server: FastifyInstance, settings: GatewaySettings): void {
  const isServed = doorOf(settings) === 'open' ? hostTest(settings) : () => true;
  server.addHook('onRequest', ({ raw }, _reply, next) => {
    const { host } = raw.headers;
    if (host === undefined) {
      // HTTP/1.0 has no Host, and no browser speaks it.
      if (raw.httpVersionMinor === 0) next();
      else next(new ProblemError(NO_HOST, { connection: 'close' }));
    } else if (hostsOf(raw.rawHeaders) > 1) next(new ProblemError(HOSTS, { connection: 'close' }));
    else if (isServed(host)) next();
    else next(new ProblemError(WRONG_HOST));
  });
}

/** Returns a test whether a Host header names the gateway, on any port. */
export function hostTest({
  SEKALI_HTTP_HOST: address,
  SEKALI_HTTP_HOSTS: named = '',
}: Pick<GatewaySettings, 'SEKALI_HTTP_HOST' | 'SEKALI_HTTP_HOSTS'>): (host: string) => boolean {
  const own = EVERY_ADDRESS.includes(address) ? [] : [address.includes(':') ? `[${address}]` : address];
  const words = [...OWN, ...own, ...named.split(',')].map((word) => word.trim().toLowerCase());
  const served = new Set(words.filter((word) => word !== ''));
  return (host) => {
    const name = HOST.exec(host)?.[1]?.toLowerCase();
    return name !== undefined && served.has(name);
  };
}

/** Node keeps the first of several. In the raw headers, names have even indexes. */
function hostsOf(rawHeaders: readonly string[]): number {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts;
}
