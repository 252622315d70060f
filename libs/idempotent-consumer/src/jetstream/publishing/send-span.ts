/**
 * A span for events that are published together, from their place in the queue to the last outcome.
 *
 *   request of a client ─▶ `send EVENTS` ─▶ in the headers of each message ─▶ the spans of its consumers
 *
 * One context serves all events of a request: with one for each, a request of 10,000 events would be 10,000 spans. Events
 * that find no room are refused at once, and get no span. A request that waits for room would fill its trace with them.
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
  end(outcomes: readonly PublishOutcome[]): void;
}

/**
 * Begins a span.
 *
 * @param parent the trace of the request; `undefined` begins a trace
 * @returns `undefined` in a program without an SDK
 */
export function beginSend(
  stream: string,
  events: number,
  parent: TraceContext | undefined,
): SendSpan | undefined {
  const tracer = registeredTracer();
  if (tracer === undefined) return undefined;
  const around =
    parent === undefined ? ROOT_CONTEXT : traceApi.setSpanContext(ROOT_CONTEXT, spanContextOf(parent));
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': stream,
    'messaging.batch.message_count': events,
  };
  const span = tracer.startSpan(`send ${stream}`, { kind: SpanKind.PRODUCER, attributes }, around);
  return {
    trace: traceContextOf(span.spanContext()) ?? parent,
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
