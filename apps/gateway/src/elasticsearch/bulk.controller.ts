import { Readable } from 'node:stream';
import { Body, Controller, Inject, Param, Post, Put, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { LineBody } from '../publish/line-body.js';
import { publishAccessOf } from '../publish/publish-access.js';
import { recordFields } from '../publish/record-defaults.js';
import type { RouteBodies } from '../publish/request-bodies.js';
import { BulkPublishing } from './bulk-publishing.js';
import { elasticRefusal, PRODUCT } from './elastic-answer.js';

const ADDRESSES = ['_bulk', ':index/_bulk'];
/** Clients send these lines under many types, JSON among them. */
const ROUTE: RouteAccess & RouteBodies = { scope: 'publish', lines: true };
/** A longer answer is sent in pieces, because one buffer would hold it a second time. */
const ONE_PIECE_BYTES_MAX = 65_536;
const JSON_TYPE = 'application/json; charset=utf-8';

/** `POST` and `PUT /_bulk`, and the same below an index. */
@Controller()
export class BulkController {
  constructor(@Inject(BulkPublishing) private readonly bulk: Pick<BulkPublishing, 'publish'>) {}

  @Post(ADDRESSES)
  @RouteConfig(ROUTE)
  async post(
    @Req() request: FastifyRequest,
    @Param('index') index: string | undefined,
    @Body() body: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.answer(request, index, body, reply);
  }

  @Put(ADDRESSES)
  @RouteConfig(ROUTE)
  async put(
    @Req() request: FastifyRequest,
    @Param('index') index: string | undefined,
    @Body() body: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.answer(request, index, body, reply);
  }

  private async answer(
    request: FastifyRequest,
    index: string | undefined,
    body: unknown,
    reply: FastifyReply,
  ): Promise<void> {
    const pieces = await this.piecesOf(request, index, body);
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    reply.code(200).headers({ ...PRODUCT, 'content-type': JSON_TYPE, 'content-length': String(length) });
    // A client that goes away within the answer does no harm, so this is not awaited.
    void reply.send(length > ONE_PIECE_BYTES_MAX ? Readable.from(pieces) : Buffer.concat(pieces));
  }

  private async piecesOf(
    request: FastifyRequest,
    index: string | undefined,
    body: unknown,
  ): Promise<readonly Buffer[]> {
    try {
      if (!(body instanceof LineBody)) throw empty();
      const access = publishAccessOf(request, 'bulk');
      const fields = recordFields(request.headers, access);
      return await this.bulk.publish({ body, index, access, fields });
    } catch (error) {
      throw elasticRefusal(error);
    }
  }
}

function empty(): ProblemError {
  return new ProblemError(problem('invalid-body', 400, 'The request has no body.'));
}
