/**
 * A server span for each request, for a gateway whose process has an SDK of OpenTelemetry.
 *
 *   request ─▶ onRequest: the span, within which the other hooks run ─▶ route, within the span ─▶ closed: status, end
 *
 * Without an SDK no hook is installed. A trace that the client sends is then only passed on with its events, so consumers
 * of these can still belong to it. Where an instrumentation of the program has begun a span for the request, that one is
 * used. Requests to `/health` have none: supervisors send them all the time.
 */
import {
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  registeredTracer,
  spanContextOf,
  type TraceContext,
  traceContextOf,
  traceOf,
} from '#idempotent-consumer/traces';

const SERVER_ERROR = 500;
const HEALTH = /^\/health(?:[/?]|$)/;

const spans = new WeakMap<FastifyRequest, Span>();

/** Installs the hooks before every other one of a server. */
export function traceRequests(server: FastifyInstance): void {
  const tracer = registeredTracer();
  if (tracer === undefined) return;
  server.addHook('onRequest', (request, reply, next) => {
    if (HEALTH.test(request.url)) {
      next();
      return;
    }
    const span = trace.getActiveSpan() ?? begin(tracer, request, reply);
    spans.set(request, span);
    inSpan(span, next);
  });
  // The body arrives outside of the first hook's context.
  server.addHook('preHandler', (request, _reply, next) => {
    const span = spans.get(request);
    if (span === undefined) next();
    else inSpan(span, next);
  });
}

/** The trace to which the events of a request belong: that of its span, else the one that the client sent. */
export function traceOfRequest(request: FastifyRequest): TraceContext | undefined {
  const span = spans.get(request);
  return (span && traceContextOf(span.spanContext())) ?? sentTrace(request);
}

function sentTrace({ headers }: FastifyRequest): TraceContext | undefined {
  if (headers['traceparent'] === undefined) return undefined;
  return traceOf({
    header: (name) => {
      const value = headers[name];
      return typeof value === 'string' ? value : undefined;
    },
  });
}

function begin(tracer: Tracer, request: FastifyRequest, reply: FastifyReply): Span {
  const { method, id } = request;
  const route = request.is404 ? undefined : request.routeOptions.url;
  const sent = sentTrace(request);
  const parent = sent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContextOf(sent));
  // The address itself has ids of events, and may have a token.
  const attributes = {
    'http.request.method': method,
    'sekali.request_id': id,
    ...(route !== undefined && { 'http.route': route }),
  };
  const name = route === undefined ? method : `${method} ${route}`;
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  // The client may go away before it has the answer, so the end of the answer is not enough.
  reply.raw.once('close', () => {
    const { statusCode, writableFinished } = reply.raw;
    if (writableFinished) span.setAttribute('http.response.status_code', statusCode);
    else span.setAttribute('error.type', 'aborted');
    if (!writableFinished || statusCode >= SERVER_ERROR) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  });
  return span;
}

function inSpan(span: Span, next: () => void): void {
  context.with(trace.setSpan(context.active(), span), next);
}
