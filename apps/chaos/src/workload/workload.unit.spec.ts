/** The load against producers with prepared answers. */
import { describe, expect, it } from '@jest/globals';
import type { Completion, EndedMessage, Invocation, Operation, Via } from '../history/operation.js';
import { Generator, type GeneratorOptions } from './generator.js';
import type { Message } from './message.js';
import { outcomeOf } from './operation-log.js';
import { Random } from './random.js';
import { unknown, type Answer } from './producer.js';
import { Workload, type WorkloadOptions } from './workload.js';

type Reply = (messages: readonly Message[], via: Via) => Answer | Promise<Answer>;

const accept: Reply = (messages) => ({ messages: messages.map(() => ['ok', 1, 0]), refusedForNow: false });
const never = new AbortController().signal;

class Bench {
  readonly history: Operation[] = [];
  readonly acknowledgedAt: number[] = [];
  readonly workload: Workload;
  /** Operations between `send` and its answer, now and at most. */
  private open = 0;
  openMax = 0;

  constructor(
    reply: Reply,
    options: Partial<WorkloadOptions> = {},
    generator: Partial<GeneratorOptions> = {},
    append?: (operation: Operation) => Promise<void>,
  ) {
    const lane = (via: Via, size: readonly [number, number], concurrency: number) => ({
      producer: {
        name: `${via}-1`,
        via,
        send: async (messages: readonly Message[]) => {
          this.openMax = Math.max(this.openMax, (this.open += 1));
          await Promise.resolve();
          const answer = await reply(messages, via);
          this.open -= 1;
          return answer;
        },
        close: () => Promise.resolve(),
      },
      size,
      concurrency,
      share: 1 / 3,
    });
    const random = new Random(1);
    const startedAt = performance.now();
    this.workload = new Workload(
      {
        lanes: [lane('http', [1, 1], 4), lane('http_batch', [2, 20], 2), lane('nats', [1, 1], 4)],
        generator: new Generator(random.fork(), { topicPrefix: 'x', duplicateWindowMs: 100, ...generator }),
        history: {
          append: append ?? ((operation) => Promise.resolve(void this.history.push(operation))),
        },
        random,
        clock: () => performance.now() - startedAt,
      },
      { ratePerSecond: 50_000, onAcknowledged: (atMs) => this.acknowledgedAt.push(atMs), ...options },
    );
  }

  get invocations(): Invocation[] {
    return this.history.filter((operation) => operation.type === 'invoke');
  }

  get completions(): Completion[] {
    return this.history.filter((operation) => operation.type !== 'invoke');
  }
}

describe('a workload', () => {
  it('records each operation before it is sent and after its end, and counts', async () => {
    const before: boolean[] = [];
    const bench: Bench = new Bench((messages, via) => {
      const [first] = messages;
      before.push(
        bench.invocations.some((line) => line.messages.some(([, eventId]) => eventId === first?.eventId)),
      );
      return accept(messages, via);
    });
    await bench.workload.run({ signal: never, messagesMax: 500 });
    const { workload, invocations, completions } = bench;
    expect(before.every((is) => is)).toBe(true);
    expect(invocations.map(({ op }) => op)).toEqual(invocations.map((_, index) => index + 1));
    expect(completions.map(({ op }) => op).sort((a, b) => a - b)).toEqual(invocations.map(({ op }) => op));
    const messages = invocations.flatMap((line) => line.messages);
    expect(workload).toMatchObject({
      sent: messages.length,
      acknowledged: messages.length,
      operations: invocations.length,
      waiting: 0,
    });
    expect(messages.length).toBeGreaterThanOrEqual(500);
    expect(messages.length).toBeLessThan(600);
    expect(bench.acknowledgedAt).toHaveLength(completions.length);
  });

  it('races an operation with a repeat of it over another way', async () => {
    const bench = new Bench(accept, {}, { repeatShare: 0.6 });
    await bench.workload.run({ signal: never, messagesMax: 500 });
    const [ids, ways] = [new Map<string, number>(), new Map<string, Set<Via>>()];
    for (const { messages, via } of bench.invocations) {
      for (const [topic, eventId] of messages) {
        ids.set(`${topic}:${eventId}`, (ids.get(`${topic}:${eventId}`) ?? 0) + 1);
        ways.set(`${topic}:${eventId}`, (ways.get(`${topic}:${eventId}`) ?? new Set()).add(via));
      }
    }
    expect([...ids.values()].some((times) => times > 1)).toBe(true);
    expect([...ways.values()].some((vias) => vias.size > 1)).toBe(true);
    // NATS and single posts carry one message each, twins included.
    expect(
      bench.invocations.every(({ via, messages }) => via === 'http_batch' || messages.length === 1),
    ).toBe(true);
  });

  it('sends again what has no answer, with the same id and payload, until it is acknowledged', async () => {
    const tries = new Map<string, number>();
    const bench = new Bench(
      (messages, via) => {
        const key = messages.map(({ eventId }) => eventId).join();
        tries.set(key, (tries.get(key) ?? 0) + 1);
        return tries.size <= 10 && tries.get(key) === 1
          ? unknown(messages.length, 'timeout')
          : accept(messages, via);
      },
      { ratePerSecond: 300 },
      { repeatShare: 0, poisonShare: 0 },
    );
    const stop = new AbortController();
    const ended = bench.workload.run({ signal: stop.signal });
    const deadline = AbortSignal.timeout(15_000);
    const unsettled = (): string[] => unacknowledged(bench);
    while ((bench.completions.length < 20 || unsettled().length > 0) && !deadline.aborted) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bench.completions.filter(({ type }) => type === 'info').length).toBeGreaterThan(0);
    expect(unsettled()).toEqual([]);
    stop.abort();
    await ended;
  });

  it('gives up after the retries, and grows no queue while everything is refused', async () => {
    const bench = new Bench((messages) => unknown(messages.length, '503'), { retriesMax: 0 });
    await bench.workload.run({ signal: AbortSignal.timeout(700) });
    expect(bench.workload.waiting).toBe(0);
    // There are ten loops, and each rests 50 ms or more after a refusal.
    expect(bench.workload.operations).toBeLessThan(300);
    expect(bench.workload.acknowledged).toBe(0);
    expect(bench.acknowledgedAt).toEqual([]);
  });

  it('does not send again what was refused for good', async () => {
    const bench = new Bench(
      (messages) => ({ messages: messages.map(() => ['fail', 0, 0]), reason: '422', refusedForNow: false }),
      {},
      { repeatShare: 0 },
    );
    await bench.workload.run({ signal: never, messagesMax: 200 });
    expect(bench.workload.waiting).toBe(0);
    expect(bench.completions.every(({ type, reason }) => type === 'fail' && reason === '422')).toBe(true);
  });

  it('waits for open operations when it is stopped, and begins none', async () => {
    const stop = new AbortController();
    const answers: (() => void)[] = [];
    const bench = new Bench(
      (messages, via) => new Promise((resolve) => answers.push(() => resolve(accept(messages, via)))),
      { ratePerSecond: 5_000 },
    );
    const ended = bench.workload.run({ signal: stop.signal });
    while (answers.length < 3) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    const begun = bench.workload.operations;
    expect(bench.completions).toHaveLength(0);
    const answering = setInterval(() => answers.splice(0).forEach((answer) => answer()), 5);
    await ended;
    clearInterval(answering);
    expect(bench.completions).toHaveLength(bench.invocations.length);
    expect(bench.workload.operations).toBe(begun);
  });

  it('keeps to its rate and its bounds', async () => {
    const bench = new Bench(accept, { ratePerSecond: 300 });
    await bench.workload.run({ signal: AbortSignal.timeout(2_000) });
    expect(bench.workload.sent).toBeGreaterThan(300);
    expect(bench.workload.sent).toBeLessThan(750);
    // There are ten loops, each with an operation and its twin.
    expect(bench.openMax).toBeLessThanOrEqual(20);
  });

  it('ends with the error when the history cannot be written', async () => {
    const bench = new Bench(accept, {}, {}, () => Promise.reject(new Error('no space left')));
    await expect(bench.workload.run({ signal: never })).rejects.toThrow('no space left');
  });
});

describe('the end of an operation as a whole', () => {
  const ended = (...outcomes: EndedMessage[0][]): EndedMessage[] =>
    outcomes.map((outcome) => [outcome, 0, 0]);

  it.each([
    [ended('ok', 'ok'), 'ok'],
    [ended('ok', 'fail'), 'ok'],
    [ended('fail', 'fail'), 'fail'],
    [ended('ok', 'info'), 'info'],
    [ended('fail', 'info'), 'info'],
  ])('%j is %s', (messages, outcome) => {
    expect(outcomeOf(messages)).toBe(outcome);
  });
});

/** Events of which no operation ended ok, though one ended. */
function unacknowledged(bench: Bench): string[] {
  const sent = new Map(bench.invocations.map(({ op, messages }) => [op, messages]));
  const [ended, known] = [new Set<string>(), new Set<string>()];
  for (const { op, messages } of bench.completions) {
    messages.forEach(([outcome], index) => {
      const id = sent.get(op)?.[index]?.[1] ?? '';
      ended.add(id);
      if (outcome === 'ok') known.add(id);
    });
  }
  return [...ended].filter((id) => !known.has(id));
}
