/**
 * Lines for single requests, at the level `debug`: what was published, and what was answered.
 *
 * By them, a request is found from a sequence or an event id, and the other way round. At any other level nothing is
 * installed, because a busy gateway answers thousands of requests a second.
 */
import type { FastifyInstance } from 'fastify';
import type { Logger } from '#observability';
import type { EventPublisher } from './publish/publishing.js';

/** Events of one request that are named. */
const NAMED_MAX = 10;

/** Logs each answer of a server. */
export function logAnswers(server: FastifyInstance, logger: Logger): void {
  if (!logger.isLevelEnabled('debug')) return;
  server.addHook('onResponse', ({ id, method, routeOptions }, reply, next) => {
    const ms = Math.round(reply.elapsedTime);
    // The address itself may have a token.
    logger.debug(
      { request_id: id, method, route: routeOptions.url, status: reply.statusCode, ms },
      'answered',
    );
    next();
  });
}

/** Logs what becomes of events that are published. */
export function loggedPublisher(inner: EventPublisher, logger: Logger): EventPublisher {
  if (!logger.isLevelEnabled('debug')) return inner;
  return {
    publishAll: async (events, origin) => {
      const outcomes = await inner.publishAll(events, origin);
      const named = events.slice(0, NAMED_MAX).map(({ topic, eventId: event_id }, at) => {
        const { status, ...rest } = outcomes[at] ?? { status: 'unavailable' };
        return { topic, event_id, status, ...('seq' in rest && { seq: rest.seq }) };
      });
      logger.debug({ request_id: origin.requestId, count: events.length, events: named }, 'published');
      return outcomes;
    },
  };
}
