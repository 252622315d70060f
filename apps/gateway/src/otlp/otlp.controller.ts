import { Body, Controller, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { RouteRefusals } from '../problems/problem.filter.js';
import { jsonBodyOf } from '../publish/json-body.js';
import { publishAccessOf } from '../publish/publish-access.js';
import type { RouteBodies } from '../publish/request-bodies.js';
import { JsonLogs } from './json-logs.js';
import { LogPublishing } from './log-publishing.js';
import { exportAnswer, JSON_TYPE, mediaTypeOf, PROTOBUF_TYPE, statusAnswer } from './otlp-answer.js';
import { ProtobufLogs } from './protobuf-logs.js';

const ROUTE = {
  scope: 'publish',
  anyBody: true,
  refusal: statusAnswer,
} satisfies RouteAccess & RouteBodies & RouteRefusals;

/** `POST /v1/logs`: OTLP over HTTP, in protobuf or JSON. */
@Controller('v1/logs')
export class OtlpController {
  constructor(@Inject(LogPublishing) private readonly logs: LogPublishing) {}

  @Post()
  @RouteConfig(ROUTE)
  async export(
    @Req() request: FastifyRequest,
    @Body() body: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const encoding = mediaTypeOf(request.headers);
    if (encoding !== PROTOBUF_TYPE && encoding !== JSON_TYPE) throw otherType();
    const report = await this.publish(request, body, encoding);
    const answer = exportAnswer(request.headers, report);
    await reply.code(200).header('content-type', answer.type).send(answer.body);
  }

  /** @returns `undefined` for a request without a body, which has no records */
  private async publish(request: FastifyRequest, body: unknown, encoding: string) {
    if (body === undefined || body === null) return undefined;
    const received = jsonBodyOf(body);
    const { content } = received;
    if (content.length === 0) return undefined;
    const reader = encoding === PROTOBUF_TYPE ? new ProtobufLogs(content) : new JsonLogs(content);
    return this.logs.publish(received, reader, publishAccessOf(request, 'otlp'));
  }
}

function otherType(): ProblemError {
  const detail = `Send the log records as ${PROTOBUF_TYPE} or ${JSON_TYPE}.`;
  return new ProblemError(problem('unsupported-type', 415, detail));
}
