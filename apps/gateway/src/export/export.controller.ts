import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventReader } from '../events/event-reader.js';
import { identityInQuery } from '../events/event-text.js';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { queryString, sendText } from '../text-answer.js';
import { EventExport } from './event-export.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };
/** A router on the way forgets a connection that is silent for longer. */
const KEEP_ALIVE_MS = 30_000;

/** `GET /events/export`. With `event_id`, it is the event of a topic `export`. */
@Controller('events')
export class ExportController {
  constructor(
    @Inject(EventExport) private readonly exports: EventExport,
    @Inject(EventReader) private readonly events: EventReader,
  ) {}

  @Get('export')
  @RouteConfig(NEEDS_READ)
  async export(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const identity = identityInQuery(request.url);
    const access = accessOf(request);
    const { headers } = request;
    if (identity !== undefined)
      return sendText(reply, await this.events.one(identity, access, headers.accept));
    const takesGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))/.test(headers['accept-encoding'] ?? '');
    const exported = await this.exports.begin(queryString(request.url), {
      access,
      address: request.ip,
      takesGzip,
      // The server closes a connection on which nothing happens, and a search without a match writes nothing.
      onPage: () => {
        const { socket } = request.raw;
        socket.setTimeout(socket.timeout ?? 0);
      },
    });
    reply.raw.once('close', () => {
      exported.body.destroy();
    });
    // A search may write nothing for long. With the head of the answer, the client knows that it has begun.
    reply.raw.once('pipe', () => {
      reply.raw.flushHeaders();
      request.raw.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    });
    if (exported.isGzip) reply.header('content-encoding', 'gzip');
    await reply.headers({ 'content-type': exported.type, vary: 'accept-encoding' }).send(exported.body);
  }
}
