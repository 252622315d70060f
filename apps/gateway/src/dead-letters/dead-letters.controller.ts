import { Body, Controller, Get, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DeadLetterBulkResult, DeadLetterResult } from '#contracts';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { originOf } from '../request-origin.js';
import { queryString, sendText } from '../text-answer.js';
import { readActionOrder, readBulkOrder } from './action-request.js';
import { DeadLetterReader, referenceOf } from './dead-letter-reader.js';
import { Drops } from './drops.js';
import { Replays } from './replays.js';

const NEEDS_ADMIN: RouteAccess = { scope: 'admin' };
/** Characters of an action's body. The largest event fits, with every character escaped. */
const BODY_LENGTH_MAX = 2_097_152;

/**
 * `GET /dead-letters` and `GET /dead-letters/{id}`; `POST /dead-letters/replay` and `POST /dead-letters/{id}/replay`,
 * and the same with `drop`.
 */
@Controller('dead-letters')
export class DeadLettersController {
  constructor(
    @Inject(DeadLetterReader) private readonly deadLetters: DeadLetterReader,
    @Inject(Replays) private readonly replays: Replays,
    @Inject(Drops) private readonly drops: Drops,
  ) {}

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

  @Post('replay')
  @RouteConfig(NEEDS_ADMIN)
  async replayMany(
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const access = accessOf(request);
    await send(reply, await this.replays.many(readBulkOrder(body, access, BODY_LENGTH_MAX), access));
  }

  @Post('drop')
  @RouteConfig(NEEDS_ADMIN)
  async dropMany(
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const access = accessOf(request);
    await send(reply, await this.drops.many(readBulkOrder(body, access, BODY_LENGTH_MAX), access));
  }

  @Post(':id/replay')
  @RouteConfig(NEEDS_ADMIN)
  async replay(
    @Param('id') id: string,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const order = readActionOrder(body, ['reason', 'event', 'body', 'force'], BODY_LENGTH_MAX);
    const result = await this.replays.one(referenceOf(id), order, accessOf(request));
    await send(reply, result, result.status === 'published' ? 202 : 200);
  }

  @Post(':id/drop')
  @RouteConfig(NEEDS_ADMIN)
  async drop(
    @Param('id') id: string,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const order = readActionOrder(body, ['reason', 'force'], BODY_LENGTH_MAX);
    await send(reply, await this.drops.one(referenceOf(id), order, accessOf(request)));
  }
}

async function send(
  reply: FastifyReply,
  result: DeadLetterResult | DeadLetterBulkResult,
  status = 200,
): Promise<void> {
  await reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(JSON.stringify(result));
}
