import { Body, Controller, Headers, Inject, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { textOf } from './json-body.js';
import { prefersLenient } from './publish-request.js';
import { Publishing } from './publishing.js';

/** `POST /publish`. */
@Controller('publish')
export class PublishController {
  constructor(@Inject(Publishing) private readonly publishing: Publishing) {}

  @Post()
  async publish(
    @Body() body: unknown,
    @Headers('prefer') prefer: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const answer = await this.publishing.publish(textOf(body), prefersLenient(prefer));
    await reply
      .code(202)
      .headers(answer.headers)
      .header('content-type', 'application/json; charset=utf-8')
      .send(JSON.stringify(answer.body));
  }
}
