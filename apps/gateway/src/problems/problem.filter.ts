import type { IncomingHttpHeaders } from 'node:http';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Problem } from '#contracts';
import { errorText, type Logger } from '#observability';
import { noteRefusal } from '../metrics/refusal.js';
import { allowedMethods } from './allowed-methods.js';
import { REQUEST_ID_HEADER } from '../request-identity.js';
import { plainProblem, problem, ProblemError, type AnswerHeaders } from './problem-error.js';

/** The media type of every refusal. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** What a route says of its refusals, where its clients expect another form than problem JSON. */
export interface RouteRefusals {
  /** Writes a refusal in the form of the clients. Status and headers stay those of the problem. */
  readonly refusal?: RefusalForm;
}

/** Writes a refusal. @param headers of the request */
export type RefusalForm = (
  problem: Problem,
  headers: IncomingHttpHeaders,
) => { readonly type: string; readonly body: string | Buffer };

interface Answer {
  readonly problem: Problem;
  readonly headers?: AnswerHeaders;
}

/** Writes all errors: each leaves as `application/problem+json`, without its stack. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const answer = this.answerTo(error, request);
    sendProblem(host.switchToHttp().getResponse<FastifyReply>(), answer.problem, answer.headers, request.url);
  }

  private answerTo(error: unknown, request: FastifyRequest): Answer {
    if (error instanceof ProblemError) {
      if (error.cause instanceof Error)
        this.logger.warn({ request_id: request.id, error: errorText(error.cause) }, error.message);
      return error;
    }
    const status = statusOf(error);
    if (status === 404) return missingRoute(request);
    if (status !== undefined && status < 500) return { problem: requestProblem(status, error) };
    this.logger.error({ request_id: request.id, err: error }, 'request failed');
    return { problem: plainProblem(500, 'This is a fault of the gateway. Its log has the details.') };
  }
}

/** Writes a problem as the answer, on a reply that has not started. */
export function sendProblem(
  reply: FastifyReply,
  body: Problem,
  headers: AnswerHeaders = {},
  url?: string,
): void {
  if (reply.sent) return;
  noteRefusal(reply, body);
  const instance = url?.split('?', 1)[0];
  const { request } = reply;
  const whole = identified({ ...body, ...(instance === undefined ? {} : { instance }) }, request.id);
  const { type, body: content } = refusalFormOf(request)(whole, request.headers);
  void reply
    .code(body.status)
    .headers(headers)
    .header(REQUEST_ID_HEADER, request.id)
    .header('content-type', type)
    .send(content);
}

function refusalFormOf({ routeOptions }: FastifyRequest): RefusalForm {
  // An address without a route has no options.
  const { refusal = asProblem } = (routeOptions.config as RouteRefusals | undefined) ?? {};
  return refusal;
}

function asProblem(problem: Problem): { type: string; body: string } {
  return { type: PROBLEM_TYPE, body: JSON.stringify(problem) };
}

/** A problem that names its request, for answers that are written without a reply. */
export function identified(body: Problem, requestId: string): Problem {
  return { ...body, request_id: requestId };
}

/** A refusal of the server itself, for a body or an address that it cannot read. */
export function requestProblem(status: number, error: unknown): Problem {
  const detail = error instanceof Error ? error.message : undefined;
  if (status === 400) return problem('malformed-request', 400, detail ?? 'The request cannot be read.');
  if (status === 413)
    return problem('too-large', 413, 'The body is larger than this gateway takes; send fewer events.');
  if (status === 415) {
    return problem(
      'unsupported-type',
      415,
      'Send the body as JSON (Content-Type: application/json), or one event in each line (application/x-ndjson).',
    );
  }
  return plainProblem(status, detail);
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : undefined;
}

function missingRoute(request: FastifyRequest): Answer {
  const path = request.url.split('?', 1)[0] ?? '';
  const allowed = allowedMethods(path);
  if (allowed === undefined)
    return { problem: plainProblem(404, `There is nothing at ${path.slice(0, 200)}.`) };
  const allow = allowed.join(', ');
  return { problem: plainProblem(405, `${path.slice(0, 200)} takes ${allow}.`), headers: { allow } };
}
