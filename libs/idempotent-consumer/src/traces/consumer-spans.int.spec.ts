/** The spans of consumers with a real SDK, a real broker and a real Postgres. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { headers as natsHeaders } from '@nats-io/nats-core';
import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import pg from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { createConsumer, type EventConsumer } from '../core/create-consumer.js';
import { StreamEventPublisher } from '../producer/stream-event-publisher.js';
import { spanContextOf, traceContextOf } from './span-context.js';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT_ID = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE_ID}-${PARENT_ID}-01`;
const SECRET = 'a payload that an error quotes';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

let system: TestSystem;
let pool: pg.Pool;
let consumer: EventConsumer;

beforeAll(async () => {
  provider.register();
  system = await createTestSystem();
  pool = new pg.Pool({ connectionString: system.postgresUrl, max: 8 });
  pool.on('error', () => undefined);
  consumer = createConsumer({
    ...{ connection: system.connection, pool, stream: system.streamName, name: 'traced' },
    settings: { attemptsMax: 1 },
    handler: (body) => {
      trace.getTracer('handler').startSpan('handle').end();
      if (body === 'bad') throw new RangeError(SECRET);
    },
  });
  await consumer.start();
});

afterAll(async () => {
  await consumer.stop();
  await pool.end();
  await provider.shutdown();
});

beforeEach(() => {
  exporter.reset();
});

async function publish(
  id: string,
  body: string,
  values: Readonly<Record<string, string>> = {},
): Promise<void> {
  const headers = natsHeaders();
  for (const [name, value] of Object.entries(values)) headers.set(name, value);
  const subject = `${system.subjectPrefix}.payments`;
  await jetstream(system.connection).publish(subject, JSON.stringify(body), { msgID: id, headers });
}

async function spanOfBatch(): Promise<ReadableSpan> {
  const found = (): ReadableSpan | undefined =>
    exporter.getFinishedSpans().find(({ name }) => name === `process ${system.streamName}`);
  return waitFor(() => found() ?? false, { timeoutMs: 20_000, describe: 'the span of a batch' });
}

describe('the span of a batch', () => {
  it('belongs to the trace of its only event, with the spans of the handler below it', async () => {
    await publish('one', 'good', { traceparent: TRACEPARENT, tracestate: 'vendor=1' });
    const batch = await spanOfBatch();
    expect(batch.spanContext().traceId).toBe(TRACE_ID);
    expect(batch.parentSpanContext?.spanId).toBe(PARENT_ID);
    expect(batch.links.map(({ context }) => [context.spanId, context.traceState?.get('vendor')])).toEqual([
      [PARENT_ID, '1'],
    ]);
    expect(batch.attributes).toMatchObject({
      'messaging.consumer.group.name': 'traced',
      'messaging.batch.message_count': 1,
      'sekali.outcome.stored': 1,
    });
    const handled = exporter.getFinishedSpans().find(({ name }) => name === 'handle');
    expect(handled?.parentSpanContext?.spanId).toBe(batch.spanContext().spanId);
  });

  it.each([
    ['no context', {}],
    ['a context of zeros', { traceparent: `00-${'0'.repeat(32)}-${PARENT_ID}-01` }],
    ['a context with more than version 00 has', { traceparent: `${TRACEPARENT}-more` }],
    ['a context that is too long', { traceparent: `01${TRACEPARENT.slice(2)}-${'x'.repeat(300)}` }],
  ])('begins a trace for an event with %s', async (what, values) => {
    await publish(what, 'good', values);
    const batch = await spanOfBatch();
    expect([batch.parentSpanContext, batch.links]).toEqual([undefined, []]);
  });

  it('has the number of events that failed, and nothing of what their errors say', async () => {
    await publish('bad', 'bad', { Traceparent: TRACEPARENT });
    const batch = await spanOfBatch();
    expect(batch.attributes).toMatchObject({ 'sekali.outcome.dead_letter': 1 });
    expect(batch.spanContext().traceId).toBe(TRACE_ID);
    const texts = exporter.getFinishedSpans().map(({ attributes, events, status }) => ({
      ...{ attributes, events, status },
    }));
    expect(JSON.stringify(texts)).not.toContain(SECRET);
    expect(batch.status.code).toBe(SpanStatusCode.UNSET);
  });
});

describe('an event that a service publishes within a span', () => {
  it('carries the trace of that span to its consumers', async () => {
    const { connection, streamName: stream, subjectPrefix } = system;
    const publisher = new StreamEventPublisher({ connection, stream, subjectPrefix, source: 'test' });
    const request = trace.getTracer('service').startSpan('request');
    const published = await context.with(trace.setSpan(ROOT_CONTEXT, request), () =>
      publisher.publish({ topic: 'payments', payload: { total: 1 } }),
    );
    request.end();
    expect(published).toMatchObject({ status: 'accepted' });
    expect((await spanOfBatch()).spanContext().traceId).toBe(request.spanContext().traceId);
    await publisher.stop();
  });
});

describe('a span context', () => {
  it('is written as it was read, with the flag "sampled" alone', () => {
    const written = (traceparent: string, tracestate?: string): unknown =>
      traceContextOf(spanContextOf({ traceparent, ...(tracestate !== undefined && { tracestate }) }));
    expect(written(TRACEPARENT, 'a=1,b=2')).toEqual({ traceparent: TRACEPARENT, tracestate: 'a=1,b=2' });
    const unsampled = TRACEPARENT.replace(/01$/, '00');
    expect(written(unsampled)).toEqual({ traceparent: unsampled });
    expect(written(`01${TRACEPARENT.slice(2, -2)}ff-more`)).toEqual({ traceparent: TRACEPARENT });
  });

  it('of a span without a trace is not written', () => {
    const spanId = '0'.repeat(16);
    expect(traceContextOf({ traceId: TRACE_ID, spanId, traceFlags: 1 })).toBeUndefined();
  });
});
