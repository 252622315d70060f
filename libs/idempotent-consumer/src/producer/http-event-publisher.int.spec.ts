/** What a publisher over HTTP makes of answers that a gateway, or a proxy before it, may give. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import type { EventOutcome } from './event-publisher.js';
import { HttpEventPublisher, type HttpEventPublisherOptions } from './http-event-publisher.js';

/** Answers a request, which has the ids of its events. */
type Answer = (ids: readonly string[], response: ServerResponse) => void;

let server: Server;
let answer: Answer;
let requests: string[][];
let publishers: HttpEventPublisher[];

beforeEach(async () => {
  requests = [];
  publishers = [];
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const ids = (JSON.parse(text) as { event_id: string }[]).map(({ event_id: id }) => id);
      requests.push(ids);
      answer(ids, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await Promise.all(publishers.map((publisher) => publisher.stop(0)));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function publisherWith(options: Partial<HttpEventPublisherOptions> = {}): HttpEventPublisher {
  const { port } = server.address() as AddressInfo;
  const publisher = new HttpEventPublisher({ url: `http://127.0.0.1:${port}`, source: 'shop', ...options });
  publishers.push(publisher);
  return publisher;
}

const event = (id: string): { topic: string; id: string; payload: object } => ({
  topic: 'orders',
  id,
  payload: {},
});
const say =
  (status: number, body: unknown = ''): Answer =>
  (_ids, response) =>
    void response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
const statusOf = ({ status }: EventOutcome): string => status;

describe('a publisher over HTTP with one request at a time', () => {
  it('sends nothing whose time ran out while it waited for its turn', async () => {
    answer = () => undefined;
    const publisher = publisherWith({ budgetMs: 600, requestsMax: 1 });
    const outcomes = await Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(event(id))));
    expect(outcomes).toMatchObject([
      { status: 'unknown', eventId: 'a', reason: 'no_answer' },
      { status: 'refused', eventId: 'b', reason: 'no_answer', retryable: true },
      { status: 'refused', eventId: 'c', reason: 'no_answer', retryable: true },
    ]);
    expect(requests).toEqual([['a']]);
  });

  it('sends nothing more once its stop has run out of time', async () => {
    answer = () => undefined;
    const publisher = publisherWith({ requestsMax: 1 });
    const outcomes = Promise.all(['a', 'b', 'c'].map((id) => publisher.publish(event(id))));
    await waitFor(() => requests.length === 1, { timeoutMs: 20_000, describe: 'the first request' });
    await publisher.stop(100);
    expect(await outcomes).toMatchObject([
      { status: 'unknown', eventId: 'a', reason: 'stopping' },
      { status: 'refused', eventId: 'b', reason: 'stopping', retryable: true },
      { status: 'refused', eventId: 'c', reason: 'stopping', retryable: true },
    ]);
    expect(requests).toEqual([['a']]);
  });

  it('gives each its turn, one after the other', async () => {
    let underway = 0;
    let most = 0;
    answer = (_ids, response) => {
      most = Math.max(most, (underway += 1));
      setImmediate(() => {
        underway -= 1;
        say(200, { results: [{ index: 0, status: 'accepted', seq: requests.length }] })(_ids, response);
      });
    };
    const publisher = publisherWith({ requestsMax: 1 });
    const ids = Array.from({ length: 20 }, (_, n) => `e${n}`);
    const outcomes = await Promise.all(ids.map((id) => publisher.publish(event(id))));
    expect(outcomes.map(statusOf)).toEqual(ids.map(() => 'accepted'));
    expect(most).toBe(1);
  });
});

describe('an answer that says nothing of an event', () => {
  it.each([
    [500, ''],
    [502, '<html>bad gateway</html>'],
    [503, ''],
    [504, ''],
    [408, ''],
    [200, '{"results": [{"ind'],
    [200, { results: [{ index: 0, status: 'accepted' }] }],
  ])('leaves open whether the brokers have it: %i %j', async (status, body) => {
    answer = say(status, body);
    const outcome = await publisherWith({ budgetMs: 300 }).publish(event('a'));
    expect(outcome).toEqual({ status: 'unknown', eventId: 'a', reason: 'no_answer' });
  });

  it('leaves nothing open where the gateway was too busy to read it', async () => {
    answer = (_ids, response) => void response.writeHead(429, { 'retry-after': '60' }).end();
    const outcome = await publisherWith({ budgetMs: 300 }).publish(event('a'));
    expect(outcome).toEqual({ status: 'refused', eventId: 'a', reason: 'no_answer', retryable: true });
  });

  it('is remembered, when a later one refuses the event', async () => {
    answer = (ids, response) => {
      say(requests.length === 1 ? 504 : 403)(ids, response);
    };
    expect(await publisherWith().publish(event('a'))).toEqual({
      status: 'unknown',
      eventId: 'a',
      reason: 'refused',
    });
  });
});

describe('an event that the gateway finds invalid', () => {
  const invalid = { status: 'refused', reason: 'invalid', retryable: false };

  it('differs from one that the key may not publish', async () => {
    const results = [
      { index: 0, status: 'invalid', errors: [{ field: 'payload', message: 'too deep' }] },
      { index: 1, status: 'accepted', seq: 7 },
      { index: 2, status: 'invalid', errors: [{ field: 'topic', message: 'not covered' }] },
    ];
    answer = say(200, { results });
    const outcomes = await publisherWith().publishAll(['a', 'b', 'c'].map(event));
    expect(outcomes).toEqual([
      { ...invalid, eventId: 'a' },
      { status: 'accepted', eventId: 'b', seq: 7 },
      { ...invalid, eventId: 'c', reason: 'refused' },
    ]);
  });

  it('is found where all of them are', async () => {
    const errors = [{ field: 'timestamp', message: 'no zone' }];
    answer = say(422, { rejected: [0, 1].map((index) => ({ index, status: 'invalid', errors })) });
    const outcomes = await publisherWith().publishAll(['a', 'b'].map(event));
    expect(outcomes).toEqual(['a', 'b'].map((eventId) => ({ ...invalid, eventId })));
    expect(requests).toHaveLength(1);
  });

  it('is found by itself, where the refusal names none', async () => {
    answer = (ids, response) => {
      if (ids.includes('a')) say(422)(ids, response);
      else say(200, { results: [{ index: 0, status: 'accepted', seq: 1 }] })(ids, response);
    };
    const outcomes = await publisherWith().publishAll(['a', 'b'].map(event));
    expect(outcomes).toEqual([
      { ...invalid, eventId: 'a' },
      { status: 'accepted', eventId: 'b', seq: 1 },
    ]);
  });
});
