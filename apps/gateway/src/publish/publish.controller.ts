import { Body, Controller, Headers, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../keys/access.js';
import { jsonBodyOf } from './json-body.js';
import { LineBody } from './line-body.js';
import { LinePublishing } from './line-publishing.js';
import { publishAccessOf } from './publish-access.js';
import { prefersLenient } from './publish-request.js';
import { Publishing } from './publishing.js';
import { recordDefaults } from './record-defaults.js';
import { RecordReader } from './record-reader.js';
import { SettledAnswer, waitSeconds, type PublishAnswer } from './settled-answer.js';

/** `POST /publish`. */
@Controller('publish')
export class PublishController {
  constructor(
    @Inject(Publishing) private readonly publishing: Publishing,
    @Inject(LinePublishing) private readonly lines: LinePublishing,
    @Inject(SettledAnswer) private readonly settled: SettledAnswer,
  ) {}

  @Post()
  @RouteConfig({ scope: 'publish' } satisfies RouteAccess)
  async publish(
    @Req() request: FastifyRequest,
    @Body() body: unknown,
    @Headers('prefer') prefer: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const access = publishAccessOf(request, 'publish');
    reply.code(202).header('content-type', 'application/json; charset=utf-8');
    if (body instanceof LineBody) {
      const defaults = recordDefaults(request.headers, access);
      const records = defaults === undefined ? undefined : new RecordReader(defaults);
      const report = await this.lines.publish(body, access, records);
      if (waitSeconds(prefer) === 0 || !report.isListed) {
        await reply.send(report.text());
        return;
      }
      // A request that only waits for workers must not keep others from their room.
      body.close();
      await this.answer({ body: report.answer(), headers: {} }, prefer, reply);
      return;
    }
    const published = await this.publishing.publish(jsonBodyOf(body), prefersLenient(prefer), access);
    await this.answer(published, prefer, reply);
  }

  private async answer(
    published: PublishAnswer,
    prefer: string | undefined,
    reply: FastifyReply,
  ): Promise<void> {
    const answer = await this.settled.complete(published, prefer, reply);
    await reply.code(answer.status).headers(answer.headers).send(JSON.stringify(answer.body));
  }
}
