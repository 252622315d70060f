import { Controller, Get, Inject, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import type { StatsView } from '#contracts';
import { accessOf, requireAllTopics, type RouteAccess } from '../keys/access.js';
import { Statistics } from './statistics.js';

/** `GET /stats`. */
@Controller('stats')
export class StatsController {
  constructor(@Inject(Statistics) private readonly statistics: Statistics) {}

  @Get()
  @RouteConfig({ scope: 'read' } satisfies RouteAccess)
  async read(@Req() request: FastifyRequest): Promise<StatsView> {
    requireAllTopics(accessOf(request), '/stats');
    return this.statistics.read();
  }
}
