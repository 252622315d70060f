/**
 * Requires a key of every request, before its body is read.
 *
 * A route declares what it requires (`@RouteConfig({ scope: … })`). A route without a declaration requires `admin`, so
 * a forgotten one is closed. An address without a route requires any key, so that clients without one cannot explore
 * the addresses.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiKeyScope } from '#contracts';
import { clientOf } from '../client-address.js';
import { problem, ProblemError, unavailableError } from '../problems/problem-error.js';
import { OPEN_ACCESS, type Access, type RouteAccess } from './access.js';
import { tooManyFailures, type FailedAttempts } from './failed-attempts.js';
import type { KeyRing } from './key-ring.js';
import { tokenOf } from './token.js';

/** Grants every client full access. */
export function letEveryoneIn(server: FastifyInstance): void {
  server.decorateRequest('access', { getter: () => OPEN_ACCESS });
}

/** Installs the guard before every route of a server. */
export function askForKeys(server: FastifyInstance, ring: KeyRing, failed: FailedAttempts): void {
  server.decorateRequest('access', null);
  server.addHook('onRequest', (request, _reply, next) => {
    try {
      request.access = admit(request, ring, failed);
      next();
    } catch (error) {
      next(error as ProblemError);
    }
  });
}

function admit(request: FastifyRequest, ring: KeyRing, failed: FailedAttempts): Access | null {
  const needed = neededScope(request);
  if (needed === 'none') return null;
  if (!ring.isKnown) throw unavailableError('database', undefined);
  const { queryToken = false } = (request.is404 ? {} : request.routeOptions.config) as RouteAccess;
  const token = tokenOf(request.raw, queryToken);
  if (token === undefined) {
    boundFailures(request, 'no key', failed);
    throw refused('Bearer realm="sekali"', 'Send an API key: Authorization: Bearer sekali_…');
  }
  const access = ring.find(token);
  if (access === undefined) {
    boundFailures(request, 'unknown key', failed);
    throw refused(
      'Bearer realm="sekali", error="invalid_token"',
      'The API key is not one of this system, or was revoked.',
    );
  }
  if (needed !== undefined && !access.scopes.includes(needed)) {
    const detail = `This needs a key with the scope ${needed}; the one sent has ${access.scopes.join(', ')}.`;
    throw new ProblemError(problem('missing-scope', 403, detail, { scope: needed }), {
      'www-authenticate': `Bearer realm="sekali", error="insufficient_scope", scope="${needed}"`,
    });
  }
  return access;
}

/** Throws a 429 when the client has failed too often. */
function boundFailures(request: FastifyRequest, reason: string, failed: FailedAttempts): void {
  const seconds = failed.note({ client: clientOf(request.ip), requestId: request.id, reason });
  if (seconds !== undefined) throw tooManyFailures('key', seconds);
}

/** `undefined` means that any key suffices. */
function neededScope(request: FastifyRequest): ApiKeyScope | 'none' | undefined {
  if (request.is404) return undefined;
  const { scope = 'admin', needsNoKey } = request.routeOptions.config as RouteAccess;
  return needsNoKey?.(request) === true ? 'none' : scope;
}

function refused(challenge: string, detail: string): ProblemError {
  return new ProblemError(problem('no-key', 401, detail), { 'www-authenticate': challenge });
}
