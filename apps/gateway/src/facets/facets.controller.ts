import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { queryString, sendText } from '../text-answer.js';
import { EventFacets } from './event-facets.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };

/** `GET /facets`. */
@Controller('facets')
export class FacetsController {
  constructor(@Inject(EventFacets) private readonly facets: EventFacets) {}

  @Get()
  @RouteConfig(NEEDS_READ)
  async read(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await sendText(reply, await this.facets.read(queryString(request.url), accessOf(request), request.ip));
  }
}
