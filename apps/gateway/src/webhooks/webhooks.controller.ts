import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientOf } from '../client-address.js';
import type { RouteAccess } from '../keys/access.js';
import { jsonBodyOf } from '../publish/json-body.js';
import { originOf } from '../publish/publish-access.js';
import type { RouteBodies } from '../publish/request-bodies.js';
import { WebhookDoor } from './webhook-door.js';

/** Deliveries are signed instead of having a key, and the signature is over the bytes that were sent. */
const SIGNED = { scope: 'none', anyBody: true, isOneEvent: true } satisfies RouteAccess & RouteBodies;
const NOTHING = Buffer.alloc(0);

/** `POST /webhooks/{topic}`. */
@Controller('webhooks')
export class WebhooksController {
  constructor(@Inject(WebhookDoor) private readonly door: WebhookDoor) {}

  @Post(':topic')
  @RouteConfig(SIGNED)
  async receive(
    @Req() request: FastifyRequest,
    @Param('topic') topic: string,
    @Body() body: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const content = body === undefined || body === null ? NOTHING : jsonBodyOf(body).content;
    const sender = { client: clientOf(request.ip), origin: originOf(request, 'webhook') };
    const answer = await this.door.take(topic, request.headers, content, sender);
    reply.code(202).header('content-type', 'application/json; charset=utf-8');
    await reply.headers(answer.headers).send(JSON.stringify(answer.body));
  }
}
