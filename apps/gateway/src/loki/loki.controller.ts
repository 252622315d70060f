import { Body, Controller, Headers, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { tooLarge } from '../publish/body-source.js';
import { HeldRecords } from '../publish/held-records.js';
import { jsonBodyOf, type JsonBody } from '../publish/json-body.js';
import { LinePublishing } from '../publish/line-publishing.js';
import { publishAccessOf } from '../publish/publish-access.js';
import { recordNames } from '../publish/record-defaults.js';
import { refuseInvalid, shortened } from '../publish/refused-pieces.js';
import { mediaTypeOf, type RouteBodies } from '../publish/request-bodies.js';
import { jsonEntries } from './json-push.js';
import { LokiEvents } from './loki-event.js';
import { protobufEntries } from './protobuf-push.js';
import { malformedPush, type LokiEntry } from './push.js';
import { SnappyError, snappyLength, unsnappy } from './snappy.js';

/** Without a type, a body is protobuf, as in Loki. */
const PROTOBUF_TYPES = ['application/x-protobuf', 'application/protobuf', ''];
const JSON_TYPE = 'application/json';
/** The bound of Loki itself. */
const TENANT = /^[!-~]{1,150}$/;
const SOURCE = 'loki';

/**
 * `POST /loki/api/v1/push`.
 *
 * Its clients send a push again after 429, a status from 500 on, and a lost connection. They drop it after any other.
 * So trouble with the brokers is 503, and 400 is said of entries that can never be taken. As in Loki, the others of the
 * same push are taken then.
 */
@Controller('loki/api/v1')
export class LokiController {
  constructor(@Inject(LinePublishing) private readonly lines: LinePublishing) {}

  @Post('push')
  @RouteConfig({ scope: 'publish', anyBody: true, snappy: true } satisfies RouteAccess & RouteBodies)
  async push(
    @Req() request: FastifyRequest,
    @Body() body: unknown,
    @Headers('x-scope-orgid') tenant: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const access = publishAccessOf(request, 'loki');
    const entries = new HeldRecords(entriesIn(request, jsonBodyOf(body)), ({ line }) => line.length);
    const events = new LokiEvents(
      { ...recordNames(request.headers, access, SOURCE), tenant: tenantOf(tenant) },
      this.lines.eventBytesMax,
    );
    try {
      const check = ({ record }: { record: LokiEntry }) => events.check(record);
      refuseInvalid(await this.lines.publishEach(entries, access, check), 400);
    } catch (error) {
      throw shortened(error);
    }
    await reply.code(204).send();
  }
}

function entriesIn(request: FastifyRequest, body: JsonBody): Generator<LokiEntry, undefined> {
  const type = mediaTypeOf(request);
  if (type === JSON_TYPE) return jsonEntries(body.content);
  if (!PROTOBUF_TYPES.includes(type)) {
    const detail = `Send a push as ${JSON_TYPE}, or as ${PROTOBUF_TYPES[0]} in Snappy.`;
    throw new ProblemError(problem('unsupported-type', 415, detail));
  }
  try {
    const length = snappyLength(body.content);
    if (length > request.routeOptions.bodyLimit) throw tooLarge();
    body.unpack(length, unsnappy);
  } catch (error) {
    throw error instanceof SnappyError ? malformedPush(`it is not Snappy: ${error.message}`) : error;
  }
  return protobufEntries(body.content);
}

/** @throws ProblemError 400 when the header is not the name of a tenant */
function tenantOf(header: string | undefined): string | undefined {
  if (header === undefined || TENANT.test(header)) return header;
  const detail = 'X-Scope-OrgID has 1 to 150 characters of ASCII, and no blank.';
  throw new ProblemError(problem('malformed-request', 400, detail));
}
