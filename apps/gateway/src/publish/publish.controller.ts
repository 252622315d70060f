import { Body, Controller, Headers, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { jsonBodyOf } from './json-body.js';
import { prefersLenient } from './publish-request.js';
import { Publishing } from './publishing.js';

/** `POST /publish`. */
@Controller('publish')
export class PublishController {
  constructor(@Inject(Publishing) private readonly publishing: Publishing) {}

  @Post()
  @RouteConfig({ scope: 'publish' } satisfies RouteAccess)
  async publish(
    @Req() request: FastifyRequest,
    @Body() body: unknown,
    @Headers('prefer') prefer: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const answer = await this.publishing.publish(jsonBodyOf(body), prefersLenient(prefer), accessOf(request));
    await reply
      .code(202)
      .headers(answer.headers)
      .header('content-type', 'application/json; charset=utf-8')
      .send(JSON.stringify(answer.body));
  }
}
