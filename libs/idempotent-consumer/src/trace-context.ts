import type { Delivery } from './delivery.js';

/**
 * The W3C trace context of an event, from its headers. A span of the handler uses it as its parent; a span
 * for many events uses it as a link.
 */
export interface TraceContext {
  /** Version, trace id, parent id and flags: `00-4bf9…-00f0…-01`. */
  readonly traceparent: string;
  /** Additions of vendors, unchanged. */
  readonly tracestate?: string;
}

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/;

/**
 * Returns the trace context of a delivery. It is `undefined` when the header is missing or malformed, as the
 * W3C demands.
 */
export function traceOf(delivery: Pick<Delivery, 'header'>): TraceContext | undefined {
  const traceparent = delivery.header('traceparent')?.trim();
  if (traceparent === undefined || !TRACEPARENT.test(traceparent)) return undefined;
  const tracestate = delivery.header('tracestate');
  return { traceparent, ...(tracestate !== undefined && { tracestate }) };
}
