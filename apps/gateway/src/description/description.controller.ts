import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../keys/access.js';
import { originOf } from '../request-origin.js';
import { sendText } from '../text-answer.js';
import { Descriptions } from './descriptions.js';
import { PAGE_POLICY } from './reference-page.js';

/** The descriptions are the same everywhere, and a client reads in them which key it needs. */
const FOR_EVERYONE: RouteAccess = { scope: 'none' };

/** `GET /openapi.json`, `/asyncapi.json` and `/docs`. */
@Controller()
export class DescriptionController {
  constructor(@Inject(Descriptions) private readonly descriptions: Descriptions) {}

  @Get('openapi.json')
  @RouteConfig(FOR_EVERYONE)
  async openApi(@Res() reply: FastifyReply): Promise<void> {
    await sendText(reply, { text: this.descriptions.openApi, headers: {} });
  }

  @Get('asyncapi.json')
  @RouteConfig(FOR_EVERYONE)
  async asyncApi(@Res() reply: FastifyReply): Promise<void> {
    await sendText(reply, { text: this.descriptions.asyncApi, headers: {} });
  }

  @Get('docs')
  @RouteConfig(FOR_EVERYONE)
  async docs(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const text = this.descriptions.pageFor(originOf(request));
    await sendText(reply, { text, type: 'text/html', headers: { 'content-security-policy': PAGE_POLICY } });
  }
}
