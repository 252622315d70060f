import { Body, Controller, Inject, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { LinePublishing } from '../publish/line-publishing.js';
import { publishAccessOf } from '../publish/publish-access.js';
import { recordNames } from '../publish/record-defaults.js';
import { refuseInvalid, shortened } from '../publish/refused-pieces.js';
import type { RouteBodies } from '../publish/request-bodies.js';
import { JournalBody } from './journal-body.js';
import { JournalEvents } from './journal-event.js';

const TYPE = 'application/vnd.fdo.journal';
const SOURCE = 'journal';

/**
 * `POST /upload`, to which systemd-journal-upload sends a journal.
 *
 *   body ─entry by entry─▶ published ─end─▶ 202: the uploader writes down its last cursor
 *     ▲                       │ the brokers take no more
 *     └───── not read on ◀────┴─ for too long ─▶ 503: the uploader exits, and starts again at its old cursor
 *
 * An answer before the end of the body would be wrong. The uploader would write down the last entry that it read, and
 * not the last one that was published.
 *
 * It exits at any refusal, and systemd starts it again. So a refusal loses no entry, also one for its topic: the entry
 * is sent again until the key covers it. Entries that were taken are duplicates then, because their cursors are ids.
 */
@Controller('upload')
export class JournalController {
  constructor(@Inject(LinePublishing) private readonly lines: LinePublishing) {}

  @Post()
  @RouteConfig({
    scope: 'publish',
    arriving: { type: TYPE, Body: JournalBody },
  } satisfies RouteAccess & RouteBodies)
  async upload(
    @Req() request: FastifyRequest,
    @Body() body: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (!(body instanceof JournalBody)) throw noJournal();
    const access = publishAccessOf(request, 'journal');
    const names = recordNames(request.headers, access, SOURCE);
    const events = new JournalEvents(names, this.lines.eventBytesMax);
    try {
      refuseInvalid(await this.lines.publishEach(body, access, (entry) => events.check(entry)), 422);
    } catch (error) {
      throw shortened(error);
    }
    await reply.code(202).header('content-type', 'text/plain; charset=utf-8').send('OK.\n');
  }
}

function noJournal(): ProblemError {
  const detail = `Send a journal in the Journal Export Format, with the header Content-Type: ${TYPE}.`;
  return new ProblemError(problem('unsupported-type', 415, detail));
}
