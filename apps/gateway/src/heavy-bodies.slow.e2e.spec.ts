/** Bodies that are small on the wire and large behind it, or that never end, at a gateway with little memory. */
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { once } from 'node:events';
import { createGzip, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createTestSystem, startApp, waitFor, type App } from '#testing';

const HEAP = ['--max-old-space-size=256'];
/** A container of a gateway has this much. */
const RSS_BYTES_MAX = 512 * 1_048_576;
/** A million lines take 45 s on two busy cores. */
const MILLION_MS_MAX = 240_000;
const GIGABYTE = 1_073_741_824;
let app: App;

beforeAll(async () => {
  const { environment } = await createTestSystem({ streamBytesMax: 2_000_000_000 });
  app = await startApp('gateway', environment, { nodeArguments: HEAP });
  await waitFor(async () => (await fetch(`${app.url}/health/ready`)).ok, {
    timeoutMs: 20_000,
    describe: app.url,
  });
});

/** The largest memory that the process ever had. */
function peakBytes(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${app.pid}/status`, 'utf8'))?.[1]) * 1_024;
}

/** A gigabyte of a text, compressed. */
async function bombOf(text: string): Promise<Buffer> {
  const piece = Buffer.from(text.repeat(Math.ceil(1_048_576 / text.length)));
  const packed: Buffer[] = [];
  const pieces = Array.from({ length: Math.ceil(GIGABYTE / piece.length) }, () => piece);
  for await (const chunk of Readable.from(pieces).pipe(createGzip())) packed.push(chunk as Buffer);
  return Buffer.concat(packed);
}

async function post(body: Uint8Array<ArrayBuffer>, type: string): Promise<number> {
  const headers = { 'content-type': type, 'content-encoding': 'gzip' };
  const answer = await fetch(`${app.url}/publish`, { method: 'POST', body, headers }).catch(() => undefined);
  await answer?.text();
  return answer?.status ?? 0;
}

describe('a body that is small on the wire', () => {
  it.each([
    ['white space', ' ', 'application/json'],
    ['brackets', '[', 'application/json'],
    ['white space', ' ', 'application/x-ndjson'],
    ['line ends', '\n', 'application/x-ndjson'],
    ['empty objects', '{}\n', 'application/x-ndjson'],
    ['one long line', 'x', 'application/x-ndjson'],
  ])('costs no more memory than there is, as a gigabyte of %s', async (_, text, type) => {
    const bomb = new Uint8Array(await bombOf(text));
    expect(bomb.length).toBeLessThan(6_000_000);
    const posts = Array.from({ length: 24 }, () => post(bomb, type));
    const all = Promise.all(posts);
    for (let n = 0; n < 20; n += 1) expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
    // A connection that is closed behind a refusal may lose it.
    expect((await all).filter((status) => ![0, 400, 413, 422, 503].includes(status))).toEqual([]);
    expect(peakBytes()).toBeLessThan(RSS_BYTES_MAX);
  });
});

describe('a million lines', () => {
  it(
    'are published in bounded memory, and the answer has all of their figures',
    async () => {
      const count = 1_000_000;
      const before = peakBytes();
      function* lines(): Generator<string> {
        for (let from = 0; from < count; from += 1_000)
          yield Array.from(
            { length: 1_000 },
            (_, n) =>
              `{"topic":"logs.many","event_id":"${from + n}","timestamp":"2026-11-22T10:00:00Z","source":"many","payload":{"n":${n}}}\n`,
          ).join('');
      }
      const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' };
      const request = httpRequest(`${app.url}/publish`, { method: 'POST', headers });
      Readable.from(lines()).pipe(createGzip()).pipe(request);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const text = await textOf(response);
      expect([response.statusCode, JSON.parse(text)]).toMatchObject([202, { accepted: count, lines: count }]);
      expect(text.length).toBeLessThan(1_100_000);
      expect(peakBytes()).toBeLessThan(Math.max(before, RSS_BYTES_MAX));
      process.stdout.write(`peak ${Math.round(peakBytes() / 1_048_576)} MiB\n`);
    },
    MILLION_MS_MAX,
  );

  it('of one event are published once', async () => {
    const event =
      '{"topic":"logs.one","event_id":"1","timestamp":"2026-11-22T10:00:00Z","source":"s","payload":{}}\n';
    const answer = await fetch(`${app.url}/publish`, {
      method: 'POST',
      body: new Uint8Array(gzipSync(event.repeat(100_000))),
      headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
    });
    expect(await answer.json()).toMatchObject({ accepted: 100_000, duplicates: 99_999 });
  });
});
