/** The producer against a gateway that misbehaves on purpose, over real HTTP. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fetchStats, HttpProducer, probeGateway, readRetryAfter } from './http-producer.js';
import type { OutgoingEvent } from './producer.js';

type Answer = (ids: readonly string[], response: ServerResponse) => void;

let server: Server;
let answers: Answer[];
let requests: string[][];
let aborter: AbortController;

beforeEach(async () => {
  answers = [];
  requests = [];
  aborter = new AbortController();
  server = createServer((request, response) => {
    void respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const ids = text === '' ? [] : (JSON.parse(text) as { event_id: string }[]).map((event) => event.event_id);
  requests.push(ids);
  // The last answer is repeated for all further requests.
  const answer = answers.length > 1 ? answers.shift() : answers[0];
  answer?.(ids, response);
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const results = (ids: readonly string[], status: (id: string) => string) =>
  ids.map((id, index) => ({ index, event_id: id, status: status(id), seq: 1 }));
const accept: Answer = (ids, response) => {
  json(response, 202, { results: results(ids, () => 'accepted') });
};

const events = (...ids: string[]): OutgoingEvent[] =>
  ids.map((id) => ({
    topic: 't',
    event_id: id,
    timestamp: '2026-01-01T00:00:00Z',
    source: 's',
    payload: {},
  }));

const address = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const producer = (giveUpMs = 10_000) => new HttpProducer(address(), { giveUpMs, signal: aborter.signal });

describe('a producer over HTTP', () => {
  it('counts accepted events and duplicates', async () => {
    answers = [
      (ids, response) => {
        json(response, 202, { results: results(ids, (id) => (id === 'b' ? 'duplicate' : 'accepted')) });
      },
    ];
    expect(await producer().send(events('a', 'b', 'c'))).toEqual({
      accepted: 3,
      duplicates: 1,
      refused: [],
      missing: 0,
      resends: 0,
    });
  });

  it('sends again only what was unavailable, not before Retry-After', async () => {
    answers = [
      (ids, response) => {
        const body = { results: results(ids, (id) => (id === 'a' ? 'accepted' : 'unavailable')) };
        json(response, 503, body, { 'retry-after': '1' });
      },
      accept,
    ];
    const startedAt = performance.now();
    expect(await producer().send(events('a', 'b', 'c'))).toMatchObject({
      accepted: 3,
      resends: 2,
      missing: 0,
    });
    expect(requests).toEqual([
      ['a', 'b', 'c'],
      ['b', 'c'],
    ]);
    expect(performance.now() - startedAt).toBeGreaterThan(990);
  });

  it.each<[string, Answer]>([
    ['the connection breaks', (_ids, response) => response.destroy()],
    ['the gateway says 503 and no more', (_ids, response) => json(response, 503, { title: 'draining' })],
    ['the answer is not JSON', (_ids, response) => response.writeHead(502).end('<html>')],
  ])('sends everything again with the same ids when %s', async (_name, fail) => {
    answers = [fail, accept];
    expect(await producer().send(events('a', 'b'))).toMatchObject({ accepted: 2, resends: 2 });
    expect(requests[1]).toEqual(['a', 'b']);
  });

  it('gives up after its time, and says how many are missing', async () => {
    answers = [(_ids, response) => response.destroy()];
    expect(await producer(300).send(events('a', 'b'))).toMatchObject({ accepted: 0, missing: 2 });
  });

  it('stops waiting when its signal is aborted', async () => {
    answers = [
      (_ids, response) => {
        json(response, 503, {}, { 'retry-after': '20' });
        aborter.abort();
      },
    ];
    expect(await producer(60_000).send(events('a'))).toMatchObject({ missing: 1 });
  });

  it('divides a request that is too large, and refuses an event that is', async () => {
    answers = [
      (ids, response) => {
        if (ids.includes('big')) json(response, 413, {});
        else accept(ids, response);
      },
    ];
    const outcome = await producer().send(events('a', 'b', 'big', 'c'));
    expect(outcome).toMatchObject({ accepted: 3, missing: 0 });
    expect(outcome.refused).toMatchObject([{ eventId: 'big' }]);
  });

  it('reports an event that is invalid, and the rest is accepted', async () => {
    answers = [
      (ids, response) => {
        const invalid = {
          index: 0,
          event_id: ids[0],
          status: 'invalid',
          errors: [{ field: 'topic', message: 'bad' }],
        };
        json(response, 202, { results: [invalid, { index: 1, status: 'accepted' }] });
      },
    ];
    const outcome = await producer().send(events('a', 'b'));
    expect(outcome).toMatchObject({ accepted: 1, refused: [{ eventId: 'a', reason: 'bad' }], missing: 0 });
  });

  it('does not count an event as accepted that the answer leaves out', async () => {
    answers = [
      (_ids, response) => json(response, 202, { results: [{ index: 0, status: 'accepted' }] }),
      accept,
    ];
    expect(await producer().send(events('a', 'b'))).toMatchObject({ accepted: 2, resends: 1 });
    expect(requests[1]).toEqual(['b']);
  });

  it('throws when a retry cannot help', async () => {
    answers = [(_ids, response) => json(response, 404, { detail: 'no such route' })];
    await expect(producer().send(events('a'))).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining('no such route'),
    });
  });
});

describe('a request to a gateway', () => {
  it('has an error of one line when there is no gateway, or another server', async () => {
    const url = address();
    answers = [(_ids, response) => json(response, 404, {})];
    await expect(fetchStats(url)).rejects.toMatchObject({ exitCode: 2 });
    await expect(probeGateway(url)).rejects.toMatchObject({ exitCode: 2 });
    await new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await expect(fetchStats(url)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('no gateway answers'),
    });
    await expect(probeGateway('ftp://x')).rejects.toMatchObject({ exitCode: 2 });
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  it.each([
    [null, undefined],
    ['', undefined],
    ['2', 2_000],
    ['0', 100],
    ['86400', 30_000],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 5_000],
    ['soon', undefined],
  ])('%j is %j ms', (header, ms) => {
    expect(readRetryAfter(header, now)).toBe(ms);
  });
});
