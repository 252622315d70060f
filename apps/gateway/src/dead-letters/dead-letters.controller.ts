import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { originOf } from '../request-origin.js';
import { queryString, sendText } from '../text-answer.js';
import { DeadLetterReader } from './dead-letter-reader.js';

const NEEDS_ADMIN: RouteAccess = { scope: 'admin' };

/** `GET /dead-letters` and `GET /dead-letters/{id}`. */
@Controller('dead-letters')
export class DeadLettersController {
  constructor(@Inject(DeadLetterReader) private readonly deadLetters: DeadLetterReader) {}

  @Get()
  @RouteConfig(NEEDS_ADMIN)
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const reader = { access: accessOf(request), address: request.ip, origin: originOf(request) };
    await sendText(reply, await this.deadLetters.page(queryString(request.url), reader));
  }

  @Get(':id')
  @RouteConfig(NEEDS_ADMIN)
  async one(
    @Param('id') id: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await sendText(reply, await this.deadLetters.one(id, { access: accessOf(request), address: request.ip }));
  }
}
