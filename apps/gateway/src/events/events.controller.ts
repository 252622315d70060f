import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { originOf } from '../request-origin.js';
import { queryString, sendText } from '../text-answer.js';
import { EventReader } from './event-reader.js';
import { identityInQuery, identityOf } from './event-text.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };

/** `GET /events`, `GET /events/{topic}/{event_id}` and `GET /events/{topic}?event_id=`. */
@Controller('events')
export class EventsController {
  constructor(@Inject(EventReader) private readonly events: EventReader) {}

  @Get()
  @RouteConfig(NEEDS_READ)
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const reader = {
      access: accessOf(request),
      address: request.ip,
      origin: originOf(request),
      accept: request.headers.accept,
    };
    await sendText(reply, await this.events.page(queryString(request.url), reader));
  }

  // An event id may contain slashes, so the rest of the path is read from the original URL.
  @Get(':topic/*')
  @RouteConfig(NEEDS_READ)
  async one(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { accept } = request.headers;
    await sendText(reply, await this.events.one(identityOf(request.url), accessOf(request), accept));
  }

  @Get(':topic')
  @RouteConfig(NEEDS_READ)
  async oneByQuery(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const identity = identityInQuery(request.url);
    if (identity === undefined) {
      const detail =
        'Ask for /events?topic=…, for /events/{topic}/{event_id}, or for /events/{topic}?event_id=….';
      throw new ProblemError(problem('unknown-event', 404, detail));
    }
    await sendText(reply, await this.events.one(identity, accessOf(request), request.headers.accept));
  }
}
