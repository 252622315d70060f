/** The origin that a client addressed. The links of an answer start with it. */
import type { FastifyRequest } from 'fastify';

/** A host in the form of a URL, with or without a port. No character in it can end a header or a link early. */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * For example `https://events.example.org`, from the `Host` header and the kind of connection. A trusted proxy may set
 * both by `X-Forwarded-Host` and `X-Forwarded-Proto`. From other clients these headers are ignored.
 *
 * @returns empty where the request does not say it; a link is then relative
 */
export function originOf({ protocol, host }: Pick<FastifyRequest, 'protocol' | 'host'>): string {
  return /^https?$/.test(protocol) && HOST.test(host) ? `${protocol}://${host}` : '';
}
