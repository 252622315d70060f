import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventReader, type Answer } from './event-reader.js';

/** `GET /events` and `GET /events/{topic}/{event_id}`. */
@Controller('events')
export class EventsController {
  constructor(@Inject(EventReader) private readonly events: EventReader) {}

  @Get()
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await send(reply, await this.events.page(queryString(request.url)));
  }

  // An event id may hold slashes, so the rest of the path is taken from the URL as it was sent.
  @Get(':topic/*')
  async one(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await send(reply, await this.events.one(request.url));
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
