/** What a route of publishing knows of a request, besides its body. */
import type { FastifyRequest } from 'fastify';
import type { PublicationOrigin } from '#broker';
import type { PublishDoor } from '#contracts';
import { accessOf, type Access } from '../keys/access.js';
import { traceOfRequest } from '../traces/request-spans.js';

/** How the events of a request came. The id of the request is for the log, and stays here. */
export interface RequestOrigin extends PublicationOrigin {
  readonly requestId: string;
}

/** The rights of a key's holder, and how the events came. */
export interface PublishAccess extends Access {
  readonly origin: RequestOrigin;
}

/** The part of it that publishing needs. */
export type PublishRights = Pick<PublishAccess, 'topics' | 'keyId' | 'origin'>;

/** The access of a request that has passed the guard, see `accessOf`. */
export function publishAccessOf(request: FastifyRequest, door: PublishDoor): PublishAccess {
  return { ...accessOf(request), origin: originOf(request, door) };
}

/** Returns how the events of a request came. */
export function originOf(request: FastifyRequest, door: PublishDoor): RequestOrigin {
  return { door, requestId: request.id, trace: traceOfRequest(request) };
}
