import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accessOf, type RouteAccess } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { originOf } from '../request-origin.js';
import { queryString, sendText } from '../text-answer.js';
import { StoryReader } from '../story/story-reader.js';
import { EventReader, type PageReader } from './event-reader.js';
import { identityInQuery, identityOf, storyIdentity } from './event-text.js';

const NEEDS_READ: RouteAccess = { scope: 'read' };

/**
 * `GET /events`, `GET /events/{topic}/{event_id}` and `GET /events/{topic}?event_id=`; with `/story` behind the id, or
 * behind the topic before `?event_id=`, what happened to the event.
 */
@Controller('events')
export class EventsController {
  constructor(
    @Inject(EventReader) private readonly events: EventReader,
    @Inject(StoryReader) private readonly stories: StoryReader,
  ) {}

  @Get()
  @RouteConfig(NEEDS_READ)
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await sendText(reply, await this.events.page(queryString(request.url), readerOf(request)));
  }

  // An event id may contain slashes, so the rest of the path is read from the original URL.
  @Get(':topic/*')
  @RouteConfig(NEEDS_READ)
  async one(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { url, headers } = request;
    const story = storyIdentity(url);
    const answer =
      story === undefined
        ? await this.events.one(identityOf(url), accessOf(request), headers.accept)
        : await this.stories.story(story, queryString(url), readerOf(request));
    await sendText(reply, answer);
  }

  @Get(':topic')
  @RouteConfig(NEEDS_READ)
  async oneByQuery(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const identity = identityInQuery(request.url);
    if (identity === undefined) {
      const detail =
        'Ask for /events?topic=…, for /events/{topic}/{event_id}, or for /events/{topic}?event_id=….';
      throw new ProblemError(problem('unknown-event', 404, detail));
    }
    await sendText(reply, await this.events.one(identity, accessOf(request), request.headers.accept));
  }
}

function readerOf(request: FastifyRequest): PageReader {
  return {
    access: accessOf(request),
    address: request.ip,
    origin: originOf(request),
    accept: request.headers.accept,
  };
}
