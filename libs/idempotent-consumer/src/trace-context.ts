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

/** Version 00 has 55 characters. Only a later one may have more after its flags. */
const TRACEPARENT =
  /^(?!ff|00.{54})[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-[!-~]*)?$/;
/** Characters of a header, at most. The W3C says of `tracestate` that 512 should be carried. */
const TRACEPARENT_LENGTH_MAX = 256;
const TRACESTATE = /^[ -~\t]{1,512}$/;
/** Libraries of Go write the names of headers like this. */
const CANONICAL = { traceparent: 'Traceparent', tracestate: 'Tracestate' } as const;

/**
 * Returns the trace context of a delivery. It is `undefined` when the header is missing or malformed, as the
 * W3C demands. A `tracestate` of more than 512 characters is left out.
 */
export function traceOf(delivery: Pick<Delivery, 'header'>): TraceContext | undefined {
  const valueOf = (name: keyof typeof CANONICAL): string | undefined =>
    (delivery.header(name) ?? delivery.header(CANONICAL[name]))?.trim();
  const traceparent = valueOf('traceparent');
  if (traceparent === undefined || traceparent.length > TRACEPARENT_LENGTH_MAX) return undefined;
  if (!TRACEPARENT.test(traceparent)) return undefined;
  const tracestate = valueOf('tracestate');
  return { traceparent, ...(tracestate !== undefined && TRACESTATE.test(tracestate) && { tracestate }) };
}
