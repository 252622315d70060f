/** The load against a real gateway and real brokers. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestSystem, startApp, type App, type TestSystem } from '#testing';
import { eventIdOfMessage } from '../checker/message-id.js';
import { HistoryReader } from '../history/history-reader.js';
import { HistoryWriter } from '../history/history-writer.js';
import type { Completion, Invocation, SentMessage, EndedMessage, Via } from '../history/operation.js';
import { eventBody } from './event-body.js';
import { Generator } from './generator.js';
import { HttpProducer } from './http-producer.js';
import { closeLanes, openLanes } from './lanes.js';
import { eventIdOf } from './message.js';
import { NatsProducer } from './nats-producer.js';
import { Random } from './random.js';
import { Workload } from './workload.js';

const MESSAGES = 300;
const WINDOW_MS = 120_000;
const started = Date.now();

let system: TestSystem;
let gateway: App;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sekali-workload-'));
  system = await createTestSystem({ duplicateWindowMs: WINDOW_MS });
  gateway = await startApp('gateway', system.environment);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly via: Via;
  readonly sent: SentMessage;
  readonly end: EndedMessage;
}

/** Runs a load to its end and reads its history. */
async function run(
  seed: number,
  poisonShare: number,
): Promise<{ workload: Workload; invocations: Invocation[]; completions: Completion[]; ended: Ended[] }> {
  const path = join(folder, `${seed}.jsonl`);
  const random = new Random(seed);
  const history = await HistoryWriter.create(path);
  const doors = { gateways: [gateway.url], nats: system.natsUrls, subjectPrefix: system.subjectPrefix };
  const lanes = await openLanes(doors, started, random.fork());
  const options = { topicPrefix: `chaos.r${seed}`, poisonShare, duplicateWindowMs: WINDOW_MS };
  const generator = new Generator(random.fork(), options);
  const clock = (): number => Date.now() - started;
  const workload = new Workload({ lanes, generator, history, random, clock }, { ratePerSecond: 200 });
  await workload.run({ signal: AbortSignal.timeout(30_000), messagesMax: MESSAGES });
  await Promise.all([closeLanes(lanes), history.close()]);
  const [invocations, completions]: [Invocation[], Completion[]] = [[], []];
  for await (const line of new HistoryReader(path)) {
    if (line.type === 'invoke') invocations.push(line);
    else completions.push(line);
  }
  const byOp = new Map(completions.map((line) => [line.op, line]));
  const ended = invocations.flatMap(({ op, via, messages }) =>
    messages.flatMap((sent, index) => {
      const end = byOp.get(op)?.messages[index];
      return end === undefined ? [] : [{ via, sent, end }];
    }),
  );
  return { workload, invocations, completions, ended };
}

interface StoredMessage {
  readonly messageId: string;
  /** Topic and id of its event. A gateway's message id has a digest as well. */
  readonly event: string;
}

/** The messages of a topic prefix that the stream has, by their sequences. */
async function stored(prefix: string): Promise<Map<number, StoredMessage>> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { state } = await manager.streams.info(system.streamName);
  const messages = new Map<number, StoredMessage>();
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(system.streamName, { seq });
    const messageId = message?.header.get('Nats-Msg-Id') ?? '';
    const topic = message?.subject.slice(system.subjectPrefix.length + 1) ?? '';
    const event = `${topic}:${eventIdOfMessage(topic, messageId)}`;
    if (messageId.startsWith(prefix)) messages.set(seq, { messageId, event });
  }
  return messages;
}

describe('a load on a healthy system', () => {
  it('ends every operation, over every way, and the stream has exactly what was acknowledged', async () => {
    const { workload, invocations, completions, ended } = await run(1, 0.05);
    expect(completions.map(({ op }) => op).sort((a, b) => a - b)).toEqual(invocations.map(({ op }) => op));
    expect(ended).toHaveLength(workload.sent);
    expect(workload.sent).toBeGreaterThanOrEqual(MESSAGES);
    expect(new Set(invocations.map(({ via }) => via)).size).toBe(6);
    const ok = ended.filter(({ end }) => end[0] === 'ok');
    expect(ok).toHaveLength(workload.acknowledged);
    expect(ok.length / ended.length).toBeGreaterThan(0.6);

    const poisonOf = (isNats: boolean): string[] =>
      ended
        .filter(({ via, sent }) => sent[3] !== null && (via === 'nats') === isNats)
        .map(({ end }) => end[0]);
    expect(new Set(poisonOf(false))).toEqual(new Set(['fail']));
    expect(new Set(poisonOf(true))).toEqual(new Set(['ok']));

    const inStream = await stored('chaos.r1.');
    const bySeq = new Map(ok.map(({ sent, end }) => [end[1], `${sent[0]}:${sent[1]}`]));
    expect(ok.every(({ end }) => end[1] > 0)).toBe(true);
    expect(ok.every(({ sent, end }) => bySeq.get(end[1]) === `${sent[0]}:${sent[1]}`)).toBe(true);
    const possible = new Set(
      ended.filter(({ end }) => end[0] !== 'fail').map(({ sent }) => `${sent[0]}:${sent[1]}`),
    );
    for (const [seq, event] of bySeq) expect(inStream.get(seq)?.event).toBe(event);
    for (const { event } of inStream.values()) expect(possible.has(event)).toBe(true);
    expect(new Set([...inStream.values()].map(({ messageId }) => messageId)).size).toBe(inStream.size);
  });

  it('learns of duplicates', async () => {
    const { ended } = await run(2, 0);
    expect(ended.filter(({ end }) => end[2] === 1).length).toBeGreaterThan(10);
  });
});

describe('a producer of the load', () => {
  const message = { topic: 'chaos.r3.t00', eventId: '0-1', variant: 0 };

  it.each(['http', 'http_batch', 'http_lenient', 'bulk', 'cloudevents'] as const)(
    'sends the same event through every door: %s',
    async (via) => {
      const variants = via === 'http' ? [0] : [0, 1];
      const messages = variants.map((variant) => ({
        topic: 'chaos.r4.t00',
        eventId: eventIdOf(`${via}-${variant}`),
        variant,
      }));
      const options = { name: via, via, gateways: [gateway.url], runStartedAtMs: started };
      const producer = new HttpProducer(options, new Random(1));
      const { messages: first } = await producer.send(messages);
      expect(first.map(([outcome, , duplicate]) => [outcome, duplicate])).toEqual(
        variants.map(() => ['ok', 0]),
      );
      const manager = await jetstreamManager(system.connection, { checkAPI: false });
      for (const [index, sent] of messages.entries()) {
        const inStream = await manager.streams.getMessage(system.streamName, { seq: first[index]?.[1] ?? 0 });
        const { timestamp, ...others } = inStream?.json<{ timestamp: string }>() ?? { timestamp: '' };
        const { timestamp: sentAt, ...expected } = JSON.parse(eventBody(sent, started)) as {
          timestamp: string;
        };
        expect(others).toEqual(expected);
        expect(Date.parse(timestamp)).toBe(Date.parse(sentAt));
      }
      const { messages: again } = await producer.send(messages);
      expect(again).toEqual(first.map(([, seq]) => ['ok', seq, 1]));
    },
  );

  it('over HTTP knows for certain only that a refused connection stored nothing', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = { name: 'http-1', via: 'http' as const, gateways: [url], runStartedAtMs: started };
    const producer = new HttpProducer(options, new Random(1));
    expect((await producer.send([message])).messages).toEqual([['info', 0, 0]]);
    await new Promise((resolve) => server.close(resolve));
    expect(await producer.send([message])).toMatchObject({
      messages: [['fail', 0, 0]],
      reason: 'ECONNREFUSED',
      refusedForNow: true,
    });
  });

  it('over HTTP gives up waiting', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const options = { name: 'http-1', via: 'http' as const, gateways: [url], runStartedAtMs: started };
    const producer = new HttpProducer({ ...options, timeoutMs: 200 }, new Random(1));
    expect(await producer.send([message])).toMatchObject({ messages: [['info', 0, 0]], reason: 'timeout' });
    await new Promise((resolve) => server.close(resolve));
  });

  it('over NATS is refused for now by a full stream, and has an unknown outcome without a listener', async () => {
    const full = await createTestSystem({ streamBytesMax: 4_096 });
    const open = (subjectPrefix: string): Promise<NatsProducer> =>
      NatsProducer.connect({
        name: 'nats-1',
        urls: full.natsUrls,
        subjectPrefix,
        runStartedAtMs: started,
      });
    const [producer, lost] = await Promise.all([open(full.subjectPrefix), open('nobody')]);
    expect((await lost.send([message])).messages).toEqual([['info', 0, 0]]);
    const answers = [];
    for (let n = 0; n < 20; n++) answers.push(await producer.send([{ ...message, eventId: `0-${n}` }]));
    expect(answers[0]?.messages[0]?.[0]).toBe('ok');
    expect(answers.at(-1)).toEqual({ messages: [['fail', 0, 0]], reason: '10077', refusedForNow: true });
    await Promise.all([producer.close(), lost.close(), full.dispose()]);
  });
});
