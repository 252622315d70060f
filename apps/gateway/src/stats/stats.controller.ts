import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RepeatsView } from '#contracts';
import { accessOf, requireAllTopics, type RouteAccess } from '../keys/access.js';
import { originOf } from '../request-origin.js';
import { Statistics, type TopicsAnswer } from './statistics.js';
import { readTopicsQuery, topicsLink } from './topics-query.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };

/** `GET /stats`, `GET /stats/topics` and `GET /stats/repeats`. */
@Controller('stats')
export class StatsController {
  constructor(@Inject(Statistics) private readonly statistics: Statistics) {}

  @Get()
  @RouteConfig(NEEDS_READ)
  async read(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    requireAllTopics(accessOf(request), '/stats');
    await send(request, reply, await this.statistics.read());
  }

  @Get('topics')
  @RouteConfig(NEEDS_READ)
  async topics(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    requireAllTopics(accessOf(request), '/stats/topics');
    const { after, limit } = readTopicsQuery(request.url);
    await send(request, reply, await this.statistics.topics(after, limit), limit);
  }

  @Get('repeats')
  @RouteConfig(NEEDS_READ)
  async repeats(@Req() request: FastifyRequest): Promise<RepeatsView> {
    requireAllTopics(accessOf(request), '/stats/repeats');
    return this.statistics.newestRepeats();
  }
}

async function send(
  request: FastifyRequest,
  reply: FastifyReply,
  { view, next }: TopicsAnswer<object>,
  limit?: number,
): Promise<void> {
  if (next !== undefined) reply.header('link', topicsLink(originOf(request), next, limit));
  await reply.send(view);
}
