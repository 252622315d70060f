import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { EventReader, type Answer } from './event-reader.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };

/** `GET /events` and `GET /events/{topic}/{event_id}`. */
@Controller('events')
export class EventsController {
  constructor(@Inject(EventReader) private readonly events: EventReader) {}

  @Get()
  @RouteConfig(NEEDS_READ)
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await send(reply, await this.events.page(queryString(request.url), accessOf(request)));
  }

  // An event id may hold slashes, so the rest of the path is taken from the URL as it was sent.
  @Get(':topic/*')
  @RouteConfig(NEEDS_READ)
  async one(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await send(reply, await this.events.one(request.url, accessOf(request)));
  }
}

function queryString(url: string): string {
  const start = url.indexOf('?');
  return start === -1 ? '' : url.slice(start + 1);
}

async function send(reply: FastifyReply, answer: Answer): Promise<void> {
  await reply
    .headers(answer.headers)
    .header('content-type', 'application/json; charset=utf-8')
    .send(answer.text);
}
