/**
 * A span for events that are published together, from their place in the queue to the last outcome.
 *
 *   request of a client ─▶ `send EVENTS` ─▶ in the headers of each message ─▶ the spans of its consumers
 *
 * One context serves all events of a request: with one for each, a request of 10,000 events would be 10,000 spans. Events
 * of an outbox come with contexts of their own, which they keep, and the span has a link to each. Where all of them have the
 * same one, it is the parent, and they get the span as any others do.
 *
 * Events that find no room are refused at once, and get no span. A request that waits for room would fill its trace with them.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as traceApi } from '@opentelemetry/api';
import type { TraceContext } from '../../trace-context.js';
import { spanContextOf, traceContextOf } from '../../traces/span-context.js';
import { registeredTracer } from '../../traces/tracer.js';
import type { PublishOutcome } from './publish-job.js';

/** A span that has begun. */
export interface SendSpan {
  /** What consumers are given. */
  readonly trace: TraceContext | undefined;
  /** Whether its parent is the context of each of the events, so that this span stands for it. */
  readonly isChildOfAll: boolean;
  end(outcomes: readonly PublishOutcome[]): void;
}

/**
 * Begins a span.
 *
 * @param events the events with their contexts
 * @param request the trace of the request; without it, a context that all events have is the parent
 * @returns `undefined` in a program without an SDK
 */
export function beginSend(
  stream: string,
  events: readonly Traced[],
  request: TraceContext | undefined,
): SendSpan | undefined {
  const tracer = registeredTracer();
  if (tracer === undefined) return undefined;
  const contexts = differentTraces(events);
  const common = request === undefined ? commonTrace(events) : undefined;
  const parent = request ?? common;
  const around =
    parent === undefined ? ROOT_CONTEXT : traceApi.setSpanContext(ROOT_CONTEXT, spanContextOf(parent));
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': stream,
    'messaging.batch.message_count': events.length,
  };
  const links = contexts.map((one) => ({ context: spanContextOf(one) }));
  const span = tracer.startSpan(`send ${stream}`, { kind: SpanKind.PRODUCER, attributes, links }, around);
  return {
    trace: traceContextOf(span.spanContext()) ?? parent,
    isChildOfAll: common !== undefined,
    end: (outcomes) => {
      const failed = outcomes.find((outcome) => outcome.status === 'unavailable');
      if (span.isRecording())
        for (const [status, count] of countsOf(outcomes))
          span.setAttribute(`sekali.outcome.${status}`, count);
      if (failed !== undefined) {
        span.setAttribute('error.type', failed.reason);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

/** What may have a context of its own. */
interface Traced {
  readonly trace?: TraceContext | undefined;
}

/** The different contexts of events. */
function differentTraces(events: readonly Traced[]): readonly TraceContext[] {
  const contexts = new Map<string, TraceContext>();
  for (const { trace } of events)
    if (trace !== undefined && !contexts.has(trace.traceparent)) contexts.set(trace.traceparent, trace);
  return [...contexts.values()];
}

/** The context that each of the events has. */
export function commonTrace([first, ...others]: readonly Traced[]): TraceContext | undefined {
  const trace = first?.trace;
  return others.every((one) => one.trace?.traceparent === trace?.traceparent) ? trace : undefined;
}

function countsOf(outcomes: readonly PublishOutcome[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { status } of outcomes) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

/** The header lines of a trace; empty without one. */
export function traceLinesOf(trace: TraceContext | undefined): string {
  if (trace === undefined) return '';
  const state = trace.tracestate === undefined ? '' : `tracestate: ${trace.tracestate}\r\n`;
  return `traceparent: ${trace.traceparent}\r\n${state}`;
}
