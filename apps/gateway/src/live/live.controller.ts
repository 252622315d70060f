import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventReader } from '../events/event-reader.js';
import { identityInQuery } from '../events/event-text.js';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { queryString, sendText } from '../text-answer.js';
import { LiveEvents } from './live-events.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };
const EVENT_STREAM = 'text/event-stream; charset=utf-8';

/** `GET /events/stream`. With `event_id`, it is the event of a topic `stream`. */
@Controller('events')
export class LiveController {
  constructor(
    @Inject(LiveEvents) private readonly live: LiveEvents,
    @Inject(EventReader) private readonly events: EventReader,
  ) {}

  @Get('stream')
  @RouteConfig(NEEDS_READ)
  async follow(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const identity = identityInQuery(request.url);
    const access = accessOf(request);
    if (identity !== undefined)
      return sendText(reply, await this.events.one(identity, access, request.headers.accept));
    const last = request.headers['last-event-id'];
    const { stream } = await this.live.follow(queryString(request.url), {
      access,
      address: request.ip,
      lastEventId: typeof last === 'string' && last !== '' ? last : undefined,
    });
    reply.raw.once('close', () => {
      stream.destroy();
    });
    // A proxy that collects answers would hold the events back.
    await reply.headers({ 'content-type': EVENT_STREAM, 'x-accel-buffering': 'no' }).send(stream);
  }
}
