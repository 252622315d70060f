/** 10,000 documents from the bulk helper of Elasticsearch's client, through faults on both sides of the gateway. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { Client, errors } from '@elastic/elasticsearch';
import {
  createTestSystem,
  FaultProxy,
  type HttpFault,
  inBackground,
  startApp,
  TcpProxy,
  waitFor,
} from '#testing';

const COUNT = 10_000;
const JSON_HEADERS = { 'content-type': 'application/json' };
const UNAVAILABLE: HttpFault = { status: 503, headers: JSON_HEADERS, body: '{"status":503}' };
const TOO_MANY: HttpFault = { status: 429, headers: JSON_HEADERS, body: '{"status":429}' };
/** The client gives an answer up after this long. */
const REQUEST_MS_MAX = 5_000;
const proxies: TcpProxy[] = [];

afterAll(async () => {
  await Promise.all(proxies.map(async (proxy) => proxy.stop()));
});

const documents = Array.from({ length: COUNT }, (_, n) => ({ n, text: `document ${n} of many` }));

interface Run {
  /** How often the client dropped a document, by the status of its item. */
  readonly dropped: Readonly<Record<number, number>>;
  /** Why the helper gave up, if it did: the status of an answer, or that none came in time. */
  readonly gaveUpWith: number | 'timeout' | undefined;
}

/** One run of the helper over all documents, as a program would do it again after an error. */
async function send(url: string, index: string): Promise<Run> {
  const client = new Client({ node: url, maxRetries: 5, requestTimeout: REQUEST_MS_MAX });
  const dropped: Record<number, number> = {};
  try {
    await client.helpers.bulk({
      datasource: documents,
      onDocument: ({ n }) => ({ create: { _index: index, _id: `id-${n}` } }),
      onDrop: ({ status }) => {
        dropped[status] = (dropped[status] ?? 0) + 1;
      },
      flushBytes: 100_000,
      concurrency: 2,
      retries: 60,
      wait: 200,
    });
    return { dropped, gaveUpWith: undefined };
  } catch (error) {
    if (error instanceof errors.ResponseError) return { dropped, gaveUpWith: error.statusCode };
    if (error instanceof errors.TimeoutError) return { dropped, gaveUpWith: 'timeout' };
    throw error;
  } finally {
    await client.close();
  }
}

describe('the bulk helper', () => {
  it('has 10,000 documents stored once, whatever happens to requests, answers and brokers', async () => {
    const system = await createTestSystem();
    for (const url of system.natsUrls) proxies.push(await TcpProxy.start(Number(new URL(url).port)));
    const natsUrls = system.natsUrls.map((url, n) => {
      const address = new URL(url);
      address.port = String(proxies[n]?.port);
      return address.href;
    });
    const [gateway] = await Promise.all([
      startApp('gateway', {
        ...system.environment,
        SEKALI_NATS_URLS: natsUrls.join(','),
        SEKALI_PUBLISH_BUDGET_MS: '1000',
      }),
      startApp('worker', system.environment),
    ]);
    await waitFor(async () => (await fetch(`${gateway.url}/health/ready`)).ok, {
      timeoutMs: 20_000,
      describe: 'the gateway to be ready',
    });
    const stored = async (topic: string): Promise<number> => {
      const { rows } = await system.pool.query<{ count: number; ids: number }>(
        'SELECT count(*)::int AS count, count(DISTINCT event_id)::int AS ids FROM sekali.event WHERE topic = $1',
        [topic],
      );
      const [{ count, ids } = { count: 0, ids: 0 }] = rows;
      expect(count).toBe(ids);
      return count;
    };

    // Faults between the client and the gateway.
    const proxy = await FaultProxy.start(gateway.url, {
      faults: [UNAVAILABLE, 'reset', 'lose', 'pass', UNAVAILABLE, 'lose'],
      path: /_bulk/,
    });
    const through = await send(proxy.url, 'faults');
    const repeated = through.dropped[409] ?? 0;
    expect(through).toEqual({ dropped: { 409: repeated }, gaveUpWith: undefined });
    // Each answer that did not arrive made the client send its documents again.
    expect(repeated).toBeGreaterThan(0);
    await waitFor(async () => (await stored('faults')) === COUNT, {
      timeoutMs: 60_000,
      describe: 'all documents to be stored',
    });

    // The client gives up when a request as a whole is 429, or when no answer comes. Its program has to begin again.
    proxy.faults.push('pass', TOO_MANY);
    expect(await send(proxy.url, 'given-up')).toMatchObject({ gaveUpWith: 429 });
    proxy.faults.push('pass', 'hold');
    expect(await send(proxy.url, 'given-up')).toMatchObject({ gaveUpWith: 'timeout' });
    expect(proxy.seen.find(({ fault }) => fault === 'hold')?.status).toBe(200);
    expect(await send(proxy.url, 'given-up')).toMatchObject({ gaveUpWith: undefined });
    await waitFor(async () => (await stored('given-up')) === COUNT, {
      timeoutMs: 60_000,
      describe: 'all documents to be stored',
    });

    // Faults between the gateway and the brokers: each document is refused by itself, and sent again.
    for (const broker of proxies) broker.hang();
    const requests = proxy.seen.length;
    const held = inBackground(() => send(proxy.url, 'brokers'));
    await waitFor(() => proxy.seen.slice(requests).some(({ status }) => status === 200), {
      timeoutMs: 30_000,
      describe: 'documents to be refused',
    });
    for (const broker of proxies) broker.heal();
    const { dropped, gaveUpWith } = await held.ended;
    expect(Object.keys(dropped).filter((status) => status !== '409')).toEqual([]);
    expect(gaveUpWith).toBeUndefined();
    await waitFor(async () => (await stored('brokers')) === COUNT, {
      timeoutMs: 60_000,
      describe: 'all documents to be stored',
    });
  }, 240_000);
});
