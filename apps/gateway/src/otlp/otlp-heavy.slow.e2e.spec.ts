/** Requests that are meant to be too much, at a gateway with the memory that it has in production. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createTestSystem, startApp, waitFor, type App } from '#testing';
import { delimited, otlpJson, otlpProtobuf, type OtlpGroup } from '../test/otlp-request.js';

const HEAP = ['--max-old-space-size=256'];
const RSS_BYTES_MAX = 512 * 1_048_576;
const MB = 1_000_000;
const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
let app: App;

beforeAll(async () => {
  const { environment } = await createTestSystem({ streamBytesMax: 2_000_000_000 });
  app = await startApp('gateway', environment, { nodeArguments: HEAP });
  await waitFor(async () => (await fetch(`${app.url}/health/ready`)).ok, {
    timeoutMs: 20_000,
    describe: app.url,
  });
});

const inRecord = (text: string): string => `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${text}]}]}]}`;
const records = (bytes: Buffer): Buffer => delimited(1, delimited(2, bytes));
const times = (count: number, text: string): string => text.repeat(count);
const repeated = (megabytes: number, bytes: readonly number[]): Buffer =>
  Buffer.alloc(megabytes * MB, Buffer.from(bytes));
const large: OtlpGroup = {
  resource: [['text', 'x'.repeat(200_000)]],
  records: Array.from({ length: 10_000 }, () => ({})),
};

const BODIES: readonly (readonly [name: string, type: string, body: string | Buffer, statuses: number[]])[] =
  [
    ['brackets', JSON_TYPE, times(12 * MB, '['), [400]],
    ['brackets of an unknown member', JSON_TYPE, `{"a":${times(7 * MB, '[')}${times(7 * MB, ']')}}`, [200]],
    ['empty resources', JSON_TYPE, `{"resourceLogs":[${times(5 * MB, '{},')}{}]}`, [200]],
    ['empty scopes', JSON_TYPE, `{"resourceLogs":[{"scopeLogs":[${times(5 * MB, '{},')}{}]}]}`, [200]],
    ['empty records', JSON_TYPE, inRecord(`${times(5 * MB, '{},')}{}`), [413]],
    ['members of a record', JSON_TYPE, inRecord(`{${times(MB, '"a":1,')}"b":1}`), [400]],
    ['a string', JSON_TYPE, inRecord(`{"severityText":"${times(7 * MB, '\\"')}"}`), [400]],
    ['white space', JSON_TYPE, times(16 * MB, ' '), [400]],
    ['empty resources', PROTOBUF, repeated(16, [0x0a, 0x00]), [200]],
    ['empty scopes', PROTOBUF, delimited(1, repeated(16, [0x12, 0x00])), [200]],
    ['empty records', PROTOBUF, records(repeated(16, [0x12, 0x00])), [413]],
    ['attributes of a record', PROTOBUF, records(delimited(2, repeated(16, [0x32, 0x00]))), [400]],
    ['attributes of a resource', PROTOBUF, otlpProtobuf([{ ...large, records: [{}] }]), [200]],
    ['a large resource in each record', PROTOBUF, otlpProtobuf([large]), [413]],
    ['a large resource in each record', JSON_TYPE, otlpJson([large]), [413]],
    ['numbers of one byte too many', PROTOBUF, repeated(16, [0x80]), [400]],
  ];

async function post(type: string, body: string | Buffer, isPacked = false): Promise<number> {
  const bytes = isPacked ? gzipSync(body) : Buffer.from(body);
  const headers = { 'content-type': type, ...(isPacked && { 'content-encoding': 'gzip' }) };
  const answer = await fetch(`${app.url}/v1/logs`, { method: 'POST', body: new Uint8Array(bytes), headers });
  await answer.arrayBuffer();
  return answer.status;
}

/** The largest memory that the process ever had. */
function peakBytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${app.pid}/status`, 'utf8'))?.[1]) * 1_024;
}

/** A short body is answered as soon as it has come, so neither of two answers has to be the first. */
const isShort = ([, , body]: (typeof BODIES)[number]): boolean => body.length < MB;

describe('a request of log records that is meant to be too much', () => {
  it.each(BODIES.filter(isShort))('is answered: %s as %s', async (_, type, body, statuses) => {
    expect(statuses).toContain(await post(type, body));
  });

  it.each(BODIES.filter((body) => !isShort(body)))(
    'lets others be answered before it: %s as %s',
    async (_, type, body, statuses) => {
      const order: string[] = [];
      const answer = post(type, body).finally(() => order.push('large'));
      const live = fetch(`${app.url}/health/live`).finally(() => order.push('live'));
      expect([(await live).status, statuses]).toEqual([200, expect.arrayContaining([await answer])]);
      expect(order).toEqual(['live', 'large']);
    },
  );

  it('costs no more memory than there is, with all the others at the same time, compressed or not', async () => {
    const statuses = await Promise.all(
      BODIES.flatMap(([, type, body]) => [post(type, body), post(type, body, true)]),
    );
    expect(statuses.filter((status) => ![200, 400, 413, 503].includes(status))).toEqual([]);
    expect(peakBytes()).toBeLessThan(RSS_BYTES_MAX);
    process.stdout.write(`peak ${Math.round(peakBytes() / 1_048_576)} MiB\n`);
    expect(await post(JSON_TYPE, otlpJson([{ records: [{ body: 'last' }] }]))).toBe(200);
  });
});
