/** The figures while brokers lag, messages expire unstored, and duplicates are not written yet. */
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { StatsView, TopicStatsView } from '#contracts';
import { createLogger } from '#observability';
import { BrokerDuplicates, SEKALI_LEDGER } from '#store';
import { streamIdentity } from '#broker';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { problemOf, published, event, RunningGateway } from '../test/running-gateway.js';
import { AgeWatch } from './age-watch.js';
import { GrowingFigure } from './growing-figure.js';
import { Statistics } from './statistics.js';
import type { StreamQuestions } from './stream-figures.js';

const SETTLE = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 'orders.created', 'e' || seq, $1, seq, 0 FROM unnest($2::bigint[]) AS seq
)
INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
VALUES ($1, 'orders.created', 0, cardinality($2::bigint[]), 0, 0, 0, 0)
ON CONFLICT (stream_id, topic, shard) DO UPDATE SET stored = counter.stored + EXCLUDED.stored`;

const COUNT_TOPICS = `
INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
SELECT stream_id, topic, 0, 1, 0, 0, 0, 0 FROM sekali.stream, unnest($1::text[]) AS topic`;

/** A system with a gateway, and the steps of a worker. */
class Bench {
  private constructor(
    readonly system: TestSystem,
    readonly gateway: RunningGateway,
    readonly manager: JetStreamManager,
    private readonly streamId: number,
  ) {}

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<Bench> {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start({ ...system.environment, ...settings });
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const identity = streamIdentity(await manager.streams.info(system.streamName));
    const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, { name: system.streamName, identity });
    return new Bench(system, gateway, manager, streamId);
  }

  async stats(of: RunningGateway = this.gateway): Promise<StatsView> {
    const answer = await of.get('/stats');
    if (answer.status !== 200) throw new Error(answer.text);
    const stats = JSON.parse(answer.text) as StatsView;
    const { received, unique_processed, duplicate_dropped, dead_letters, in_flight } = stats;
    if (received !== unique_processed + duplicate_dropped + dead_letters + in_flight)
      throw new Error(answer.text);
    return stats;
  }

  async publish(ids: readonly string[]): Promise<void> {
    const answer = await this.gateway.publish(ids.map((id) => event(id)));
    if (answer.status !== 202) throw new Error(answer.text);
  }

  /** Stores and acknowledges up to a number of messages. @returns their sequences */
  async work(messages: number): Promise<number[]> {
    const consumer = await jetstream(this.system.connection).consumers.get(
      this.system.streamName,
      this.system.consumerName,
    );
    const delivered = await consumer.fetch({ max_messages: messages, expires: 2_000 });
    const seqs: number[] = [];
    const acks: Promise<boolean>[] = [];
    for await (const message of delivered) {
      seqs.push(message.seq);
      await this.system.pool.query(SETTLE, [this.streamId, [message.seq]]);
      acks.push(message.ackAck());
    }
    await Promise.all(acks);
    return seqs;
  }

  /** Separate statistics, with modified answers of the brokers. */
  statistics(questions: StreamQuestions): Statistics {
    const { pool, streamName } = this.system;
    return new Statistics(pool, questions, streamName, new BrokerDuplicates(pool));
  }

  questions(changes: Partial<StreamQuestions> = {}): StreamQuestions {
    const { streamName: stream, consumerName, subjectPrefix } = this.system;
    const nextFrom = (seq: number): { seq: number } => ({ seq, ...{ next_by_subj: `${subjectPrefix}.>` } });
    return {
      stream: async () => this.manager.streams.info(stream),
      consumer: async () => this.manager.consumers.info(stream, consumerName),
      publishedAt: async (seq) => (await this.manager.streams.getMessage(stream, nextFrom(seq)))?.time,
      acknowledged: new GrowingFigure(),
      ...changes,
    };
  }
}

describe('what left the stream unstored', () => {
  it('is gone, not in flight, and the sum comes out before, then and afterwards, from every gateway', async () => {
    const bench = await Bench.start();
    await bench.publish(['1', '2', '3', '4']);
    expect(await bench.stats()).toMatchObject({ received: 4, in_flight: 4, gone: 0 });
    await bench.manager.streams.deleteMessage(bench.system.streamName, 3);
    await waitFor(async () => (await bench.stats()).gone === 1, {
      timeoutMs: 10_000,
      describe: 'the message to be gone',
    });
    expect(await bench.stats()).toMatchObject({ received: 3, in_flight: 3, gone: 1 });
    expect(await bench.work(2)).toEqual([1, 2]);
    expect(await bench.stats()).toMatchObject({ received: 3, unique_processed: 2, in_flight: 1, gone: 1 });
    expect(await bench.work(1)).toEqual([4]);
    await waitFor(async () => (await bench.stats()).in_flight === 0, {
      timeoutMs: 10_000,
      describe: 'nothing to be in flight',
    });
    const figures = { received: 3, unique_processed: 3, in_flight: 0, gone: 1, lag_seconds: 0 };
    expect(await bench.stats()).toMatchObject({ ...figures, expires_in_seconds: null });
    await bench.publish(['5', '6']);
    expect(await bench.stats()).toMatchObject({ received: 5, unique_processed: 3, in_flight: 2, gone: 1 });
    const other = await RunningGateway.start(bench.system.environment);
    expect(await bench.stats(other)).toMatchObject({
      received: 5,
      unique_processed: 3,
      in_flight: 2,
      gone: 1,
    });
  });

  it('does not include a message that waits for an acknowledgement, or was just stored', async () => {
    const bench = await Bench.start();
    const rounds = { left: 15 };
    const looking = (async () => {
      while (rounds.left > 0) expect(await bench.stats()).toMatchObject({ gone: 0 });
    })();
    for (let round = 0; rounds.left > 0; round++, rounds.left--) {
      await bench.publish([`${round}-a`, `${round}-b`, `${round}-c`]);
      await bench.work(2);
    }
    await looking;
    expect(await bench.stats()).toMatchObject({ received: 45, unique_processed: 30, in_flight: 15, gone: 0 });
  });
});

describe('a broker that answers with an older state', () => {
  it('is asked again, and the figures are those of one that knows more', async () => {
    const bench = await Bench.start();
    const old = await bench.manager.streams.info(bench.system.streamName);
    await bench.publish(['1', '2']);
    let olds = 3;
    const acknowledged = new GrowingFigure();
    acknowledged.note(2);
    const questions = bench.questions();
    const statistics = bench.statistics({
      ...questions,
      acknowledged,
      stream: async () => (olds-- > 0 ? old : questions.stream()),
    });
    expect((await statistics.read()).view).toMatchObject({ received: 2, in_flight: 2 });
    expect(olds).toBeLessThan(0);
  });

  it.each<[string, (bench: Bench) => Promise<Partial<StreamQuestions>>]>([
    [
      'a PubAck of this gateway',
      async () => {
        const acknowledged = new GrowingFigure();
        acknowledged.note(2);
        return Promise.resolve({ acknowledged });
      },
    ],
    [
      'the database',
      async (bench) => {
        await bench.work(2);
        return {};
      },
    ],
  ])('makes the figures unknown, where %s knows more', async (_, known) => {
    const bench = await Bench.start();
    const old = await bench.manager.streams.info(bench.system.streamName);
    await bench.publish(['1', '2']);
    const statistics = bench.statistics(
      bench.questions({ ...(await known(bench)), stream: async () => Promise.resolve(old) }),
    );
    await expect(statistics.read()).rejects.toMatchObject({
      problem: { status: 503, component: 'broker', known: { duplicate_dropped: 0 } },
    });
  });

  it('makes the figures unknown, where this gateway has seen more before', async () => {
    const bench = await Bench.start();
    const old = await bench.manager.streams.info(bench.system.streamName);
    await bench.publish(['1', '2']);
    const questions = bench.questions();
    let isOld = false;
    const statistics = bench.statistics({
      ...questions,
      stream: async () => (isOld ? old : questions.stream()),
    });
    expect((await statistics.read()).view.in_flight).toBe(2);
    isOld = true;
    await expect(statistics.read()).rejects.toMatchObject({ problem: { status: 503 } });
  });

  it('makes the figures unknown, where it has not heard of a majority', async () => {
    const bench = await Bench.start();
    const questions = bench.questions();
    const cutOff = async (): Promise<Awaited<ReturnType<StreamQuestions['stream']>>> => {
      const info = await questions.stream();
      const replicas = info?.cluster?.replicas?.map((peer) => ({ ...peer, active: 8_000_000_000 }));
      if (info?.cluster !== undefined && replicas !== undefined) info.cluster.replicas = replicas;
      return info;
    };
    await expect(bench.statistics({ ...questions, stream: cutOff }).read()).rejects.toMatchObject({
      problem: { status: 503 },
    });
  });

  it('has a consumer that knows of fewer messages: none of them is gone for that', async () => {
    const bench = await Bench.start();
    const old = await bench.manager.consumers.info(bench.system.streamName, bench.system.consumerName);
    await bench.publish(['1', '2', '3']);
    const statistics = bench.statistics(bench.questions({ consumer: async () => Promise.resolve(old) }));
    expect((await statistics.read()).view).toMatchObject({ received: 3, in_flight: 3, gone: 0 });
  });

  it('is believed about a stream that was made after a PubAck', async () => {
    const bench = await Bench.start();
    const acknowledged = new GrowingFigure();
    acknowledged.note(1_000, new Date(Date.now() - 300_000));
    expect((await bench.statistics(bench.questions({ acknowledged })).read()).view).toMatchObject({
      received: 0,
    });
  });
});

describe('a stream that lost its newest messages', () => {
  const REGISTER = `
INSERT INTO sekali.stream (name, created, revision, base_stream_id, base_seq)
SELECT name, identity, 2, stream_id, $1 FROM sekali.stream`;

  it('has no figures until its incarnation is registered, and then its own, which are held against it', async () => {
    const bench = await Bench.start();
    await bench.publish(['1', '2', '3', '4', '5', '6']);
    await bench.work(4);
    const acknowledged = new GrowingFigure();
    acknowledged.note(6);
    const questions = bench.questions({ acknowledged });
    let end: number | undefined;
    const answers: StreamQuestions = {
      ...questions,
      stream: async () => {
        const info = await questions.stream();
        return info && { ...info, state: { ...info.state, last_seq: end ?? info.state.last_seq } };
      },
      consumer: async () => {
        const info = await questions.consumer();
        if (end === undefined || info === undefined) return info;
        const position = { ...info.delivered, stream_seq: 2 };
        return {
          ...info,
          delivered: position,
          ack_floor: position,
          num_pending: end - 2,
          num_ack_pending: 0,
        };
      },
    };
    const statistics = bench.statistics(answers);
    const watch = new AgeWatch(answers, createLogger('gateway', 'silent'));
    const keptSeconds = await watch.check();
    expect((await statistics.read()).view).toMatchObject({ received: 6, in_flight: 2 });
    end = 2;
    await expect(statistics.read()).rejects.toMatchObject({ problem: { status: 503, component: 'broker' } });
    // Messages that are about to expire are still found.
    await expect(watch.check()).rejects.toThrow('an older state');
    expect(await watch.check()).toBe(keptSeconds);
    await bench.system.pool.query(REGISTER, [2]);
    expect((await statistics.read()).view).toMatchObject({ received: 4, in_flight: 0, gone: 0 });
    end = 5;
    expect((await statistics.read()).view).toMatchObject({ received: 7, in_flight: 3, gone: 0 });
    end = 3;
    await expect(statistics.read()).rejects.toMatchObject({ problem: { status: 503 } });
  });

  it('has figures again from the gateway that had published what was lost', async () => {
    const bench = await Bench.start();
    const { streamName, consumerName } = bench.system;
    await bench.publish(['1', '2', '3', '4', '5', '6']);
    await bench.work(4);
    expect(await bench.stats()).toMatchObject({ received: 6, in_flight: 2 });
    const { config } = await bench.manager.streams.info(streamName);
    const consumer = await bench.manager.consumers.info(streamName, consumerName);
    await bench.manager.streams.delete(streamName);
    await bench.manager.streams.add(config);
    await bench.manager.consumers.add(streamName, consumer.config);
    expect((await bench.gateway.get('/stats')).status).toBe(503);
    await bench.system.pool.query(REGISTER, [0]);
    expect(await bench.stats()).toMatchObject({ received: 4, in_flight: 0, gone: 0 });
    await bench.publish(['7', '8']);
    expect(await bench.stats()).toMatchObject({ received: 6, in_flight: 2, gone: 0 });
  });
});

describe('duplicates that the brokers dropped', () => {
  it('are in the figures of the gateway that saw them at once, and never twice', async () => {
    const bench = await Bench.start();
    let expected = 0;
    for (let round = 0; round < 30; round++) {
      const answer = await bench.gateway.publish([event('same'), event('same'), event(`new ${round}`)]);
      expected += published(answer).duplicates;
      const stats = await bench.stats();
      expect([round, stats.duplicates.broker]).toEqual([round, expected]);
      expect(stats.per_topic['orders.created']?.duplicate_dropped).toBe(expected);
    }
    const other = await RunningGateway.start(bench.system.environment);
    await waitFor(async () => (await bench.stats(other)).duplicates.broker === expected, {
      timeoutMs: 5_000,
      describe: 'the other gateway to see them',
    });
  });
});

describe('the sources that repeat', () => {
  it('are none before the store has dropped a repeat', async () => {
    const bench = await Bench.start();
    const { text } = await bench.gateway.get('/stats/repeats');
    expect(JSON.parse(text)).toEqual({ inspected: 0, since: null, sources: [] });
  });
});

describe('many topics', () => {
  it('are listed page by page: the answers are bounded, and links lead to the rest', async () => {
    const bench = await Bench.start();
    const long = 'x'.repeat(64);
    const topics = Array.from(
      { length: 3_000 },
      (_, n) => `t${String(n).padStart(4, '0')}.${Array(13).fill(long).join('.')}`,
    );
    await bench.system.pool.query(COUNT_TOPICS, [topics]);
    const answer = await bench.gateway.get('/stats');
    expect(answer.text.length).toBeLessThan(1_000_000);
    const stats = JSON.parse(answer.text) as StatsView;
    expect([stats.unique_processed, stats.more_topics]).toEqual([3_000, true]);
    expect(stats.topics).toEqual(Object.keys(stats.per_topic));
    const found = Object.keys(stats.per_topic);
    let link = answer.headers.get('link');
    while (link !== null) {
      const next = await fetch(/^<(http[^>]+)>; rel="next"$/.exec(link)?.[1] ?? '');
      const text = await next.text();
      expect(text.length).toBeLessThan(1_000_000);
      found.push(...Object.keys((JSON.parse(text) as TopicStatsView).per_topic));
      link = next.headers.get('link');
    }
    expect(found).toEqual(topics);
    const few = await bench.gateway.get('/stats/topics?limit=2');
    const { per_topic: firsts } = JSON.parse(few.text) as TopicStatsView;
    expect(Object.keys(firsts)).toEqual(topics.slice(0, 2));
    expect(Object.values(firsts).map((topic) => topic.last_settled?.seconds)).toEqual([60, 60]);
    for (const path of ['?limit=0', '?cursor=x', '?topic=a', '?limit=1&limit=2']) {
      expect(problemOf(await bench.gateway.get(`/stats/topics${path}`)).status).toBe(400);
    }
  });
});

describe('more topics than an answer may list', () => {
  it('are cut off by their number too, however short their names are', async () => {
    const bench = await Bench.start();
    const topics = Array.from({ length: 1_200 }, (_, n) => `t${String(n).padStart(4, '0')}`);
    await bench.system.pool.query(COUNT_TOPICS, [topics]);
    const answer = await bench.gateway.get('/stats');
    const stats = JSON.parse(answer.text) as StatsView;
    expect(Object.keys(stats.per_topic)).toEqual(topics.slice(0, 1_000));
    expect([stats.topics.length, stats.more_topics, stats.unique_processed]).toEqual([1_000, true, 1_200]);
    const rest = await fetch(/^<(http[^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1] ?? '');
    const page = (await rest.json()) as TopicStatsView;
    expect([Object.keys(page.per_topic), page.more_topics]).toEqual([topics.slice(1_000), false]);
    const most = await bench.gateway.get('/stats/topics?limit=5000');
    expect(Object.keys((JSON.parse(most.text) as TopicStatsView).per_topic)).toHaveLength(1_000);
  });
});

describe('the uptime', () => {
  it('is the same in the figures and in the health', async () => {
    const bench = await Bench.start();
    const { uptime_seconds: inStats } = await bench.stats();
    const health = JSON.parse((await bench.gateway.get('/health')).text) as { uptime_seconds: number };
    expect(health.uptime_seconds).toBeGreaterThanOrEqual(inStats);
    expect(health.uptime_seconds - inStats).toBeLessThan(5);
  });
});
