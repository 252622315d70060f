/** Converts between the W3C's headers and the span contexts of OpenTelemetry. */
import { createTraceState, isSpanContextValid, type SpanContext, trace } from '@opentelemetry/api';
import type { TraceContext } from '../trace-context.js';

/** The positions of the parts in a `traceparent` of any version. */
const TRACE_ID = [3, 35] as const;
const SPAN_ID = [36, 52] as const;
const FLAGS = [53, 55] as const;
const HEXADECIMAL = 16;
/** `sampled`. Other flags belong to later versions. */
const SAMPLED = 1;

/** The context of a span in another program. @param trace as `traceOf` returns it */
export function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext {
  return {
    traceId: traceparent.slice(...TRACE_ID),
    spanId: traceparent.slice(...SPAN_ID),
    traceFlags: Number.parseInt(traceparent.slice(...FLAGS), HEXADECIMAL) & SAMPLED,
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  };
}

/** What another program is given of a span; `undefined` for a span that belongs to no trace. */
export function traceContextOf(context: SpanContext): TraceContext | undefined {
  if (!isSpanContextValid(context)) return undefined;
  const { traceId, spanId, traceFlags } = context;
  const tracestate = context.traceState?.serialize() ?? '';
  return {
    traceparent: `00-${traceId}-${spanId}-0${traceFlags & SAMPLED}`,
    ...(tracestate !== '' && { tracestate }),
  };
}

/** The context of the span that the caller is in; `undefined` without one, as in a program without an SDK. */
export function activeTrace(): TraceContext | undefined {
  const span = trace.getActiveSpan();
  return span && traceContextOf(span.spanContext());
}
