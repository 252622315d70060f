import { Body, Controller, Headers, Inject, Options, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { JsonBody, jsonBodyOf, ROOM_OF_ANOTHER } from '../publish/json-body.js';
import { publishAccessOf } from '../publish/publish-access.js';
import { prefersLenient } from '../publish/publish-request.js';
import { Publishing } from '../publish/publishing.js';
import type { RouteBodies } from '../publish/request-bodies.js';
import { SettledAnswer } from '../publish/settled-answer.js';
import { binaryText, isBinaryMode } from './binary-mode.js';
import { cloudEventCheck } from './cloud-event.js';
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE } from './cloud-event-text.js';
import { permission } from './handshake.js';

const ACCESS = { scope: 'publish', queryToken: true } satisfies RouteAccess;
const EMPTY_BATCH = /^\s*\[\s*\]\s*$/;
const EMPTY_BATCH_LENGTH_MAX = 64;
const NOTHING = { accepted: 0, duplicates: 0, rejected: [], results: [] };

/**
 * `POST /cloudevents`, and the handshake of webhooks at the same address.
 *
 * It is a route of its own, because the binary mode takes bodies of any type, and senders put their token into the
 * address. Neither should be true of `POST /publish`.
 */
@Controller('cloudevents')
export class CloudEventsController {
  constructor(
    @Inject(Publishing) private readonly publishing: Publishing,
    @Inject(SettledAnswer) private readonly settled: SettledAnswer,
  ) {}

  @Post()
  @RouteConfig({ ...ACCESS, anyBody: true } satisfies RouteAccess & RouteBodies)
  async publish(
    @Req() request: FastifyRequest,
    @Body() body: unknown,
    @Headers('prefer') prefer: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const access = publishAccessOf(request, 'cloudevents');
    reply.code(202).header('content-type', 'application/json; charset=utf-8');
    const events = cloudEventsIn(request, body);
    if (events === undefined) {
      await reply.send(JSON.stringify(NOTHING));
      return;
    }
    const check = cloudEventCheck(access.defaults?.source);
    const published = await this.publishing.publish(events, prefersLenient(prefer), access, check);
    const answer = await this.settled.complete(published, prefer, reply);
    await reply.code(answer.status).headers(answer.headers).send(JSON.stringify(answer.body));
  }

  @Options()
  @RouteConfig(ACCESS)
  async handshake(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await reply.code(200).headers(permission(request.headers)).send();
  }
}

/** The JSON text of a request in any of the three modes; `undefined` for an empty batch. Throws a 415 for others. */
function cloudEventsIn(request: FastifyRequest, body: unknown): JsonBody | undefined {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === CLOUD_EVENT_TYPE) return jsonBodyOf(body);
  if (type === CLOUD_EVENT_BATCH_TYPE) {
    const batch = jsonBodyOf(body);
    const isShort = batch.content.length <= EMPTY_BATCH_LENGTH_MAX;
    return isShort && EMPTY_BATCH.test(batch.content.toString('latin1')) ? undefined : batch;
  }
  if (!isBinaryMode(request.headers)) throw noMode();
  const data = body === undefined || body === null ? Buffer.alloc(0) : jsonBodyOf(body).content;
  return new JsonBody(Buffer.from(binaryText(request.headers, data)), ROOM_OF_ANOTHER);
}

function noMode(): ProblemError {
  const detail = `Send CloudEvents as ${CLOUD_EVENT_TYPE} or ${CLOUD_EVENT_BATCH_TYPE}, or with the headers ce-specversion, ce-id, ce-source and ce-type.`;
  return new ProblemError(problem('unsupported-type', 415, detail));
}
