/** Which origin a client asked: what a link in an answer has to begin with. */
import type { FastifyRequest } from 'fastify';

/** A host as URLs have it, with or without a port: nothing in it can end a header or a link early. */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * For example `https://events.example.org`, by the `Host` header and the kind of connection. A proxy that is trusted may
 * say both in `X-Forwarded-Host` and `X-Forwarded-Proto`; of any other client these are not read.
 *
 * @returns empty where the request does not say it: a link is relative then
 */
export function originOf({ protocol, host }: Pick<FastifyRequest, 'protocol' | 'host'>): string {
  return /^https?$/.test(protocol) && HOST.test(host) ? `${protocol}://${host}` : '';
}
