import { Controller, Get, Inject, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { queryString } from '../text-answer.js';
import { Histograms, type HistogramView } from './histograms.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };

/** `GET /histogram`. */
@Controller('histogram')
export class HistogramController {
  constructor(@Inject(Histograms) private readonly histograms: Histograms) {}

  @Get()
  @RouteConfig(NEEDS_READ)
  async read(@Req() request: FastifyRequest): Promise<HistogramView> {
    return this.histograms.read(queryString(request.url), accessOf(request), request.ip);
  }
}
