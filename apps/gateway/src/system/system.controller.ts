import { Controller, Get, Inject, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import type { SystemView } from '#contracts';
import { accessOf, requireAllTopics, type RouteAccess } from '../keys/access.js';
import { SystemState } from './system-state.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };

/** `GET /system`. */
@Controller('system')
export class SystemController {
  constructor(@Inject(SystemState) private readonly system: SystemState) {}

  @Get()
  @RouteConfig(NEEDS_READ)
  async read(@Req() request: FastifyRequest): Promise<SystemView> {
    requireAllTopics(accessOf(request), '/system');
    return this.system.read();
  }
}
