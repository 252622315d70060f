/** W3C trace context, as publishers put it into the headers of a message. */
import type { Delivery } from './delivery.js';

/** What a span of the handler's own has as its parent, or as a link where it is for many events. */
export interface TraceContext {
  /** Version, trace id, parent id and flags: `00-4bf9…-00f0…-01`. */
  readonly traceparent: string;
  /** What vendors added, as it came. */
  readonly tracestate?: string;
}

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/;

/** The trace context of a delivery; `undefined` where it has none, or one that is malformed, which is to be ignored. */
export function traceOf(delivery: Pick<Delivery, 'header'>): TraceContext | undefined {
  const traceparent = delivery.header('traceparent')?.trim();
  if (traceparent === undefined || !TRACEPARENT.test(traceparent)) return undefined;
  const tracestate = delivery.header('tracestate');
  return { traceparent, ...(tracestate !== undefined && { tracestate }) };
}
