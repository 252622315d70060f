import { Controller, Get, Header, Inject, Param, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CLUSTER_INFO } from '../elasticsearch/cluster-info.js';
import { PRODUCT_HEADER, PRODUCT_NAME } from '../elasticsearch/elastic-answer.js';
import type { RouteAccess } from '../keys/access.js';
import { sendText } from '../text-answer.js';
import { PageAnswer, wantsPage } from './page-answer.js';

/** The files say nothing about the system, and a user signs in with their help. */
const FOR_EVERYONE: RouteAccess = { scope: 'none' };
/** A client of Elasticsearch needs its key. */
const FOR_BROWSERS: RouteAccess = { scope: 'publish', needsNoKey: wantsPage };

/** `GET /`: the page for browsers, and the product for clients of Elasticsearch. `GET /page/…`: what the page loads. */
@Controller()
export class PageController {
  constructor(@Inject(PageAnswer) private readonly answer: PageAnswer) {}

  @Get()
  @Header(PRODUCT_HEADER, PRODUCT_NAME)
  @RouteConfig(FOR_BROWSERS)
  async root(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    if (wantsPage(request)) await this.answer.page(request, reply);
    else await sendText(reply, { text: JSON.stringify(CLUSTER_INFO), headers: { vary: 'Accept' } });
  }

  @Get('page/:file')
  @RouteConfig(FOR_EVERYONE)
  async file(
    @Param('file') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.answer.file(name, request, reply);
  }
}
