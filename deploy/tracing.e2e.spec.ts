/**
 * Traces through real processes, with the file of deploy/TRACING.md that brings an SDK: from a request, or from a
 * producer's own message, through the brokers to each consumer.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { headers as natsHeaders } from '@nats-io/nats-core';
import { jetStreamApi } from '#broker';
import { findRepositoryRoot } from '#local-cluster';
import {
  codeBlocks,
  createTestSystem,
  startApp,
  waitFor,
  type App,
  type AppName,
  type TestSystem,
} from '#testing';
import { TraceCollector, type ExportedSpan } from './test/trace-collector.js';

const START_MS_MAX = 60_000;
const ROOT = findRepositoryRoot();
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const CLIENT_SPAN = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE_ID}-${CLIENT_SPAN}-01`;
/** It occurs in each payload, and must occur in no span. */
const MARK = 'payload-mark-5b1f';

let folder: string;
let file: string;
let collector: TraceCollector;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-tracing-'));
  const page = { path: 'deploy/TRACING.md', text: readFileSync(join(ROOT, 'deploy/TRACING.md'), 'utf8') };
  const [code] = codeBlocks(page).filter(({ language }) => language === 'js');
  file = join(folder, 'tracing.mjs');
  writeFileSync(file, code?.text ?? '');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  collector = await TraceCollector.start();
});

afterAll(() => {
  collector.close();
  rmSync(folder, { recursive: true, force: true });
});

const traced = async (
  name: AppName,
  { environment }: TestSystem,
  settings: Readonly<Record<string, string>> = {},
): Promise<App> => {
  const app = await startApp(
    name,
    {
      ...{ ...environment, ...settings, SEKALI_LOG_LEVEL: 'trace' },
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '100' },
    },
    { nodeArguments: ['--import', file] },
  );
  if (name === 'gateway') await untilReady(app);
  return app;
};

async function untilReady({ url }: App): Promise<void> {
  const isReady = async (): Promise<boolean> => (await fetch(`${url}/health/ready`)).ok;
  await waitFor(isReady, { timeoutMs: 20_000, describe: 'the gateway to be ready' });
}

const eventOf = (id: string): object => ({
  topic: 'orders.created',
  event_id: id,
  timestamp: '2026-11-22T10:00:00.000Z',
  source: 'checkout',
  payload: { mark: MARK },
});

async function publish(url: string, body: unknown, headers: Record<string, string> = {}): Promise<number[]> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
  const response = await fetch(`${url}/publish`, init);
  expect(response.status).toBe(202);
  const { results } = (await response.json()) as { results: { seq: number }[] };
  return results.map(({ seq }) => seq);
}

async function headersOf(
  { connection, streamName }: TestSystem,
  seq: number,
): Promise<Record<string, string>> {
  const manager = await jetStreamApi(connection, 5_000);
  const message = await manager.streams.getMessage(streamName, { seq });
  return Object.fromEntries(
    (message?.header.keys() ?? []).map((key) => [key, message?.header.get(key) ?? '']),
  );
}

const linkTo = ({ traceId, spanId }: ExportedSpan): object => expect.objectContaining({ traceId, spanId });
const reaches =
  (seq: number) =>
  ({ name, attributes }: ExportedSpan): boolean =>
    name.startsWith('process ') &&
    Number(attributes['sekali.seq.first']) <= seq &&
    seq <= Number(attributes['sekali.seq.last']);

describe('a request', () => {
  it(
    'is one trace, from the client by way of the brokers to the worker',
    async () => {
      const system = await createTestSystem();
      const [gateway, worker] = await Promise.all([traced('gateway', system), traced('worker', system)]);
      const ids = ['a', 'b', 'c'].map(eventOf);
      const sent = { traceparent: TRACEPARENT, tracestate: 'vendor=1', 'x-request-id': 'request-1' };
      const [seq = 0] = await publish(gateway.url, ids, sent);
      const ofRequest = ({ attributes }: ExportedSpan): boolean =>
        attributes['sekali.request_id'] === 'request-1';
      const server = await collector.spanWith('the server span', ofRequest);
      expect(server).toMatchObject({
        ...{ name: 'POST /publish', service: 'sekali-gateway' },
        ...{ traceId: TRACE_ID, parentSpanId: CLIENT_SPAN, traceState: 'vendor=1' },
      });
      expect(server.attributes).toMatchObject({ 'http.route': '/publish', 'http.response.status_code': 202 });
      const below = ({ parentSpanId }: ExportedSpan): boolean => parentSpanId === server.spanId;
      const send = await collector.spanWith('the span of publishing', below);
      expect(send).toMatchObject({ name: `send ${system.streamName}`, traceId: TRACE_ID });
      expect(send.attributes).toMatchObject({
        'messaging.batch.message_count': 3,
        'sekali.outcome.accepted': 3,
      });
      expect(await headersOf(system, seq)).toMatchObject({
        traceparent: `00-${TRACE_ID}-${send.spanId}-01`,
        tracestate: 'vendor=1',
      });
      const batch = await collector.spanWith('the span of the batch', reaches(seq));
      expect(batch).toMatchObject({ service: 'sekali-worker', traceId: TRACE_ID, parentSpanId: send.spanId });
      expect(batch.links).toEqual([linkTo(send)]);
      expect(batch.attributes).toMatchObject({
        'messaging.system': 'nats',
        'messaging.consumer.group.name': 'store',
      });
      const lineOf = (app: App, message: string): string | undefined =>
        app
          .output()
          .split('\n')
          .find((line) => line.includes(`"msg":"${message}"`));
      expect(lineOf(gateway, 'published')).toContain(`"trace_id":"${TRACE_ID}","span_id":"${server.spanId}"`);
      expect(lineOf(worker, 'batch committed')).toContain(
        `"trace_id":"${TRACE_ID}","span_id":"${batch.spanId}"`,
      );
    },
    START_MS_MAX,
  );

  it(
    'with a malformed context begins a trace, and its events are taken',
    async () => {
      const system = await createTestSystem();
      const gateway = await traced('gateway', system);
      const sent = { traceparent: `00-${'0'.repeat(32)}-${CLIENT_SPAN}-01`, 'x-request-id': 'malformed' };
      await publish(gateway.url, eventOf('a'), sent);
      const span = await collector.spanWith(
        'its span',
        ({ attributes }) => attributes['sekali.request_id'] === 'malformed',
      );
      expect(span.parentSpanId).toBe('');
    },
    START_MS_MAX,
  );

  it(
    'has no span where it asks for the health',
    async () => {
      const system = await createTestSystem();
      const gateway = await traced('gateway', system);
      await fetch(`${gateway.url}/health/live`);
      await fetch(`${gateway.url}/events?limit=1`, { headers: { 'x-request-id': 'query' } });
      await collector.spanWith('the query', ({ attributes }) => attributes['sekali.request_id'] === 'query');
      expect(collector.spans.filter(({ name }) => name.includes('/health'))).toEqual([]);
    },
    START_MS_MAX,
  );
});

describe('a batch of events of several traces', () => {
  it(
    'has a link to each, and a trace of its own',
    async () => {
      const system = await createTestSystem();
      const gateway = await traced('gateway', system);
      await publish(gateway.url, eventOf('a'), { 'x-request-id': 'first' });
      await publish(gateway.url, [eventOf('b'), eventOf('c')], { 'x-request-id': 'second' });
      // A producer of its own, in the manner of Go.
      const headers = natsHeaders();
      headers.set('Nats-Msg-Id', 'orders.created:d');
      headers.set('Traceparent', TRACEPARENT);
      const subject = `${system.subjectPrefix}.orders.created`;
      await system.connection.request(subject, JSON.stringify(eventOf('d')), { headers, timeout: 10_000 });
      await traced('worker', system, { SEKALI_BATCH_WAIT_MS: '1000' });
      const parentsOfSends = new Set<string>();
      for (const id of ['first', 'second']) {
        const { spanId } = await collector.spanWith(
          `the request ${id}`,
          ({ attributes }) => attributes['sekali.request_id'] === id,
        );
        parentsOfSends.add(spanId);
      }
      const sends = collector.spans.filter(({ parentSpanId }) => parentsOfSends.has(parentSpanId));
      const batch = await collector.spanWith(
        'the batch',
        ({ name, service }) => service === 'sekali-worker' && name === `process ${system.streamName}`,
      );
      expect(batch.attributes).toMatchObject({
        'messaging.batch.message_count': 4,
        'sekali.outcome.stored': 4,
      });
      expect(batch.links).toHaveLength(3);
      const client = expect.objectContaining({ traceId: TRACE_ID, spanId: CLIENT_SPAN });
      expect(batch.links).toEqual(expect.arrayContaining([...sends.map(linkTo), client]));
      expect(batch.parentSpanId).toBe('');
    },
    START_MS_MAX,
  );
});

describe('a gateway without an SDK', () => {
  it(
    'passes on what the client sent, where it is well formed and not too long',
    async () => {
      const system = await createTestSystem();
      const gateway = await startApp('gateway', system.environment);
      await untilReady(gateway);
      const passedOn = async (id: string, sent: Record<string, string>): Promise<Record<string, string>> => {
        const [seq = 0] = await publish(gateway.url, eventOf(id), sent);
        const headers = await headersOf(system, seq);
        return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('trace')));
      };
      const state = `vendor=${'x'.repeat(505)}`;
      expect(await passedOn('a', { traceparent: TRACEPARENT, tracestate: state })).toEqual({
        traceparent: TRACEPARENT,
        tracestate: state,
      });
      const longState = { traceparent: TRACEPARENT, tracestate: `${state}x` };
      expect(await passedOn('b', longState)).toEqual({ traceparent: TRACEPARENT });
      const later = TRACEPARENT.replace(/^00/, '01');
      expect(await passedOn('c', { traceparent: `${later}-${'x'.repeat(200)}` })).not.toEqual({});
      expect(await passedOn('d', { traceparent: `${later}-${'x'.repeat(201)}` })).toEqual({});
      expect(await passedOn('e', { traceparent: `${TRACEPARENT}-more` })).toEqual({});
      expect(await passedOn('f', { tracestate: 'vendor=1' })).toEqual({});
      expect(await passedOn('g', {})).toEqual({});
    },
    START_MS_MAX,
  );
});

describe('the spans of all of these', () => {
  it('have no payload, no event id and no address', () => {
    expect(collector.spans.length).toBeGreaterThan(10);
    for (const { text } of collector.spans) {
      expect(text).not.toContain(MARK);
      expect(text).not.toContain('orders.created');
      expect(text).not.toContain('limit=1');
    }
  });
});
