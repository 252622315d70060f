/** The access of a request. The guard sets it before any route runs, and the routes read it. */
import type { FastifyRequest } from 'fastify';
import { coversTopic, type ApiKeyDefaults, type ApiKeyScope } from '#contracts';
import { problem, ProblemError } from '../problems/problem-error.js';

/** The rights of a key's holder. */
export interface Access {
  /** `undefined` where keys are not required. */
  readonly keyId: string | undefined;
  /** The name of the key, which is kept with what its holder does to dead letters. */
  readonly keyName: string | undefined;
  readonly scopes: readonly ApiKeyScope[];
  /** Topics and prefixes, see `coversTopic`; `null` means all. */
  readonly topics: readonly string[] | null;
  /** What records of the key do not say themselves. */
  readonly defaults?: ApiKeyDefaults;
}

/** What a route requires of a key: one scope, or `none` for a route that is open to everyone. */
export interface RouteAccess {
  readonly scope?: ApiKeyScope | 'none';
  /** Whether the key may be sent as `access_token` in the address. */
  readonly queryToken?: boolean;
  /** Which requests of the route need no key. When left out, all of them need one. */
  readonly needsNoKey?: (request: Pick<FastifyRequest, 'headers' | 'method'>) => boolean;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** `null` until the guard has let the request pass. */
    access: Access | null;
  }
}

/** Full access, for every client where keys are not required. */
export const OPEN_ACCESS: Access = {
  keyId: undefined,
  keyName: undefined,
  scopes: ['publish', 'read', 'admin'],
  topics: null,
};

/** The access of a request that has passed the guard. It throws for any other, because an unguarded route is a bug. */
export function accessOf(request: Pick<FastifyRequest, 'access'>): Access {
  if (request.access === null) throw new Error('the request has not passed the guard');
  return request.access;
}

/** Throws a 403 problem that names the topic, unless the key covers it. */
export function requireTopic(access: Access, topic: string): void {
  if (coversTopic(access.topics, topic)) return;
  const detail = `The key does not cover topic ${JSON.stringify(topic.slice(0, 200))}.`;
  throw new ProblemError(problem('missing-topic', 403, detail, { topic: topic.slice(0, 200) }));
}

/** Throws a 403 problem, unless the key covers every topic. */
export function requireAllTopics(access: Access, what: string): void {
  if (access.topics === null) return;
  const detail = `${what} is about all topics, and the key covers only some: use one without a list of topics.`;
  throw new ProblemError(problem('missing-topic', 403, detail));
}
