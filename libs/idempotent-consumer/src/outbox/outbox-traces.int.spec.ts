/** The trace of a request goes with its event: over the outbox and the stream, and over HTTP to a gateway. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { context, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { waitFor } from '#testing';
import { HttpEventPublisher } from '../producer/http-event-publisher.js';
import { OutboxFixture } from '../test/outbox-fixture.js';
import { traceContextOf } from '../traces/span-context.js';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

let fixture: OutboxFixture;

beforeAll(async () => {
  provider.register();
  fixture = await OutboxFixture.create();
});

afterAll(async () => {
  await fixture.dispose();
  await provider.shutdown();
});

beforeEach(() => {
  exporter.reset();
});

/** Adds events within the span of a request, which has ended when this returns. */
async function addInSpan(ids: readonly string[], topic: string): Promise<Span> {
  const request = trace.getTracer('service').startSpan('request');
  const events = ids.map((id) => ({ topic, id, payload: {} }));
  await context.with(trace.setSpan(ROOT_CONTEXT, request), () =>
    fixture.inTransaction((client) => fixture.outbox.addAll(client, events)),
  );
  request.end();
  return request;
}

const traceparentOf = (span: Span): string | undefined => traceContextOf(span.spanContext())?.traceparent;

/** Relays what waits, and returns the traces of the messages of a topic by their events. */
async function relayed(topic: string, count: number): Promise<ReadonlyMap<string, string>> {
  const { connection, streamName: stream, subjectPrefix } = fixture.system;
  const publisher = fixture.openPublisher();
  const relay = fixture.startRelay({ publisher });
  await waitFor(() => relay.health().published >= count, { timeoutMs: 20_000, describe: `${count} events` });
  await relay.stop();
  await publisher.stop();
  const { streams } = await jetstreamManager(connection, { checkAPI: false });
  const { state } = await streams.info(stream);
  const traces = new Map<string, string>();
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await streams.getMessage(stream, { seq });
    if (message?.subject !== `${subjectPrefix}.${topic}`) continue;
    traces.set(message.json<{ event_id: string }>().event_id, message.header.get('traceparent'));
  }
  return traces;
}

const sendSpan = () =>
  exporter.getFinishedSpans().find(({ name }) => name === `send ${fixture.system.streamName}`);

it('is that of each event where they differ, and the span of their publish has a link to each', async () => {
  const first = await addInSpan(['a', 'b'], 'differing');
  const second = await addInSpan(['c'], 'differing');
  const traces = await relayed('differing', 3);
  const [one, other] = [traceparentOf(first), traceparentOf(second)];
  expect(Object.fromEntries(traces)).toEqual({ a: one, b: one, c: other });
  expect(sendSpan()?.links.map((link) => link.context.spanId)).toEqual(
    [first, second].map((span) => span.spanContext().spanId),
  );
  expect(sendSpan()?.parentSpanContext).toBeUndefined();
});

it('goes on in the span of the publish where all events have the same', async () => {
  const request = await addInSpan(['a', 'b'], 'same');
  const traces = await relayed('same', 2);
  const span = sendSpan();
  expect(span?.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
  const { traceId } = request.spanContext();
  const carried = `00-${traceId}-${span?.spanContext().spanId ?? ''}-01`;
  expect(Object.fromEntries(traces)).toEqual({ a: carried, b: carried });
});

it('is left out where a row has anything else in its place, such as the end of a header', async () => {
  await fixture.pool.query(`INSERT INTO outbox.event (topic, event_id, body, traceparent, tracestate)
    VALUES ('forged', 'a', '{"event_id":"a"}', E'00-x\\r\\nNats-Rollup: all', 'a=1')`);
  const traces = await relayed('forged', 1);
  // The span of the publish begins a trace.
  expect(traces.get('a')).toBe(
    `00-${sendSpan()?.spanContext().traceId ?? ''}-${sendSpan()?.spanContext().spanId ?? ''}-01`,
  );
});

it('is in the request to a gateway where its events have the same, and no other', async () => {
  const seen: IncomingHttpHeaders[] = [];
  const server: Server = createServer((request, response) => {
    seen.push(request.headers);
    request.resume().on('end', () => {
      const results = [0, 1].map((index) => ({ index, status: 'accepted', seq: index + 1 }));
      response.end(JSON.stringify({ results }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const publisher = new HttpEventPublisher({ url: `http://127.0.0.1:${port}`, source: 'shop' });
  try {
    const request = trace.getTracer('service').startSpan('request');
    await context.with(trace.setSpan(ROOT_CONTEXT, request), () =>
      publisher.publish({ topic: 'orders', payload: {} }),
    );
    const [one, other] = [
      traceparentOf(request),
      traceparentOf(trace.getTracer('service').startSpan('other')),
    ];
    const written = (topic: string, traceparent: string | undefined) => ({
      ...{ topic, eventId: topic, body: '{}' },
      ...(traceparent !== undefined && { trace: { traceparent } }),
    });
    await publisher.sendInOrder([written('a', one), written('b', one)]);
    await publisher.sendInOrder([written('a', one), written('b', other)]);
    await publisher.sendInOrder([written('a', one), written('b', undefined)]);
    expect(seen.map(({ traceparent }) => traceparent)).toEqual([one, one, undefined, undefined]);
  } finally {
    await publisher.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
