/**
 * A span for each batch that a consumer decides on.
 *
 *   batch ─▶ contexts of its events ─▶ span `process EVENTS`, with a link to each ─▶ handler, within the span
 *
 * A batch belongs to the traces of all of its events, and a span has only one parent. So it has links, as the semantic
 * conventions for messaging say. Events of one request have one context. When all events of a batch have the same one,
 * it is the parent too, and everything is one trace.
 *
 * Nothing of a payload goes into a span. The message of an error may quote one, so only its name is recorded.
 */
import {
  context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import type { Decider } from '../decider.js';
import type { Delivery } from '../delivery.js';
import type { Outcome } from '../outcome.js';
import { traceOf } from '../trace-context.js';
import { spanContextOf } from './span-context.js';
import { registeredTracer } from './tracer.js';

/** Where the deliveries of a consumer come from, and its name. */
export interface SpanNames {
  readonly stream: string;
  readonly consumer: string;
}

type Outcomes = ReadonlyMap<number, Outcome>;

/** In either case of the first letter. Headers are parsed only where it occurs in them. */
const HEADER = Buffer.from('raceparent:');

/** Wraps the decider of a consumer. Without an SDK, a batch costs one comparison more. */
export function withSpans(inner: Decider, names: SpanNames): Decider {
  const inSpan = (deliveries: readonly Delivery[], work: () => Promise<Outcomes>): Promise<Outcomes> => {
    const tracer = registeredTracer();
    return tracer === undefined ? work() : processed(tracer, names, deliveries, work);
  };
  return {
    isSlow: (streamId, seq) => inner.isSlow(streamId, seq),
    suspectsAmong: (streamId, deliveries) => inner.suspectsAmong(streamId, deliveries),
    process: (streamId, deliveries) => inSpan(deliveries, () => inner.process(streamId, deliveries)),
    processSuspect: (streamId, delivery) =>
      inSpan([delivery], () => inner.processSuspect(streamId, delivery)),
  };
}

async function processed(
  tracer: Tracer,
  { stream, consumer }: SpanNames,
  deliveries: readonly Delivery[],
  work: () => Promise<Outcomes>,
): Promise<Outcomes> {
  const { contexts, parent } = contextsOf(deliveries);
  const around = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': stream,
    'messaging.consumer.group.name': consumer,
    'messaging.batch.message_count': deliveries.length,
    'sekali.seq.first': deliveries[0]?.seq ?? 0,
    'sekali.seq.last': deliveries.at(-1)?.seq ?? 0,
  };
  const links = contexts.map((one) => ({ context: one }));
  const span = tracer.startSpan(`process ${stream}`, { kind: SpanKind.CONSUMER, attributes, links }, around);
  try {
    const outcomes = await context.with(trace.setSpan(around, span), work);
    if (span.isRecording()) noteOutcomes(span, outcomes);
    return outcomes;
  } catch (error) {
    span.setAttribute('error.type', error instanceof Error ? error.name : typeof error);
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

/** The different contexts of the events, and the one that all of them have, if there is one. */
function contextsOf(deliveries: readonly Delivery[]): {
  contexts: readonly SpanContext[];
  parent: SpanContext | undefined;
} {
  const contexts = new Map<string, SpanContext>();
  let untraced = 0;
  for (const delivery of deliveries) {
    const found = mayHaveTrace(delivery) ? traceOf(delivery) : undefined;
    if (found === undefined) untraced += 1;
    else if (!contexts.has(found.traceparent)) contexts.set(found.traceparent, spanContextOf(found));
  }
  const all = [...contexts.values()];
  return { contexts: all, parent: untraced === 0 && all.length === 1 ? all[0] : undefined };
}

/** Most messages have no context. To parse their headers would take as long as to read their bodies. */
function mayHaveTrace(delivery: Delivery): boolean {
  const bytes = delivery.headerBytes();
  if (bytes === undefined) return false;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(HEADER);
}

function noteOutcomes(span: Span, outcomes: Outcomes): void {
  const counts = new Map<string, number>();
  for (const { kind } of outcomes.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const [kind, count] of counts) span.setAttribute(`sekali.outcome.${kind.replaceAll('-', '_')}`, count);
}
