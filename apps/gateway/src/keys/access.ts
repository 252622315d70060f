/** What a request may do: set by the guard before any route is reached, asked for by the routes. */
import type { FastifyRequest } from 'fastify';
import { coversTopic, type ApiKeyScope } from '#contracts';
import { problem, ProblemError } from '../problems/problem-error.js';

/** What the holder of a key may do. */
export interface Access {
  /** `undefined` where no keys are asked for. */
  readonly keyId: string | undefined;
  readonly scopes: readonly ApiKeyScope[];
  /** Topics and prefixes, see `coversTopic`; `null` is all. */
  readonly topics: readonly string[] | null;
}

/** What a route needs of a key: one scope, or `none` for a route that is open to everyone. */
export interface RouteAccess {
  readonly scope?: ApiKeyScope | 'none';
}

declare module 'fastify' {
  interface FastifyRequest {
    /** `null` until the guard has let the request pass. */
    access: Access | null;
  }
}

/** Everything: the access of everyone where no keys are asked for. */
export const OPEN_ACCESS: Access = { keyId: undefined, scopes: ['publish', 'read', 'admin'], topics: null };

/** The access of a request that has passed the guard. Throws for any other: a route that is not guarded is a fault. */
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
