/**
 * The metrics of consumers: what they decided, how long it took, and whether they make progress.
 *
 *   consumer ─▶ decider() ─▶ processor      counts each batch at its end, in one pass over its deliveries
 *      └─▶ happened()                       counts what interrupts the flow
 *
 * The observer of a consumer does not see the deliveries of a batch, which have the topic and the time of publishing.
 * A wrapper of the decider sees both sides, so the library needs no change for metrics.
 */
import { Counter, Gauge } from 'prom-client';
import { BoundedLabels } from './bounded-labels.js';
import { EVENTS, SECONDS } from './buckets.js';
import type { ProgramMetrics } from './program-metrics.js';
import { type Tally, TalliedHistogram } from './tallied-histogram.js';

const TOPICS_MAX = 100;
const REASONS_MAX = 50;
const END_TO_END = {
  name: 'sekali_end_to_end_seconds',
  help: 'Time from the acceptance of an event by the brokers to the commit of its effect',
  buckets: SECONDS,
};
const TRANSACTION = {
  name: 'sekali_transaction_seconds',
  help: 'Time of the decision on a batch, with any wait for the database',
  buckets: SECONDS,
};
const BATCH = {
  name: 'sekali_batch_deliveries',
  help: 'Deliveries that one batch decided on',
  buckets: EVENTS,
};
const STATES = ['working', 'idle', 'standby', 'waiting', 'disconnected', 'stuck'] as const;

/** The parts of a delivery that are measured. */
interface MeasuredDelivery {
  readonly seq: number;
  readonly subject: string;
  readonly deliveryCount: number;
  readonly publishedAt: Date;
}

interface MeasuredOutcome {
  readonly kind: string;
  readonly conflict?: boolean;
}

type Outcomes = ReadonlyMap<number, MeasuredOutcome>;

/** What decides on the deliveries of a consumer. */
interface MeasuredDecider<D, O> {
  isSlow(streamId: number, seq: number): boolean;
  suspectsAmong(streamId: number, deliveries: readonly D[]): Promise<ReadonlySet<number>>;
  process(streamId: number, deliveries: readonly D[]): Promise<ReadonlyMap<number, O>>;
  processSuspect(streamId: number, delivery: D): Promise<ReadonlyMap<number, O>>;
}

/** The state of a consumer, as the consumer library reports it. */
interface Health {
  readonly state: string;
  readonly held: number;
  readonly quietMs: number;
}

type OutcomeCounts = Map<string, { count: number; readonly counter: Counter.Internal }>;

/** The metrics of all consumers of a program. */
export class ConsumerMetrics {
  private readonly deliveries: Counter<'consumer' | 'topic' | 'outcome'>;
  private readonly redeliveries: Counter<'consumer'>;
  private readonly deadLetters: Counter<'consumer' | 'reason'>;
  private readonly incidents: Counter<'consumer' | 'event'>;
  private readonly wentBackAt: Gauge<'consumer'>;
  private readonly lacking: Gauge<'consumer'>;
  private readonly latency: TalliedHistogram;
  private readonly durations: TalliedHistogram;
  private readonly sizes: TalliedHistogram;
  private readonly meters = new Map<string, ConsumerMeter>();

  /**
   * @param metrics of the program
   * @param topicOf the topic of a subject; `undefined` where it names none
   */
  constructor(
    private readonly metrics: ProgramMetrics,
    private readonly topicOf: (subject: string) => string | undefined,
  ) {
    const registers = [metrics.registry];
    this.deliveries = new Counter({
      name: 'sekali_deliveries_total',
      help: 'Deliveries by outcome',
      labelNames: ['consumer', 'topic', 'outcome'],
      registers,
    });
    this.redeliveries = new Counter({
      name: 'sekali_redeliveries_total',
      help: 'Deliveries of messages that had been delivered before',
      labelNames: ['consumer'],
      registers,
    });
    this.deadLetters = new Counter({
      name: 'sekali_dead_letters_total',
      help: 'Dead letters that were written, by reason',
      labelNames: ['consumer', 'reason'],
      registers,
    });
    this.incidents = new Counter({
      name: 'sekali_consumer_incidents_total',
      help: 'What a consumer reports apart from batches and dead letters, such as session-lost or outage-began',
      labelNames: ['consumer', 'event'],
      registers,
    });
    this.wentBackAt = new Gauge({
      name: 'sekali_store_went_back_timestamp_seconds',
      help: 'When the consumer last found that its store had gone back in time; 0 where it never did',
      labelNames: ['consumer'],
      registers,
    });
    this.lacking = new Gauge({
      name: 'sekali_store_went_back_events',
      help: 'Acknowledged messages that the store lacked when it had last gone back in time',
      labelNames: ['consumer'],
      registers,
    });
    this.latency = new TalliedHistogram(metrics.registry, END_TO_END);
    this.durations = new TalliedHistogram(metrics.registry, TRANSACTION);
    this.sizes = new TalliedHistogram(metrics.registry, BATCH);
  }

  /** Returns the meter of one consumer. */
  of(consumer: string): ConsumerMeter {
    const known = this.meters.get(consumer);
    if (known !== undefined) return known;
    const meter = this.create(consumer);
    this.meters.set(consumer, meter);
    return meter;
  }

  private create(consumer: string): ConsumerMeter {
    return new ConsumerMeter({
      count: (topic, outcome) => this.deliveries.labels(consumer, topic, outcome),
      redelivered: this.redeliveries.labels(consumer),
      deadLetter: (reason) => this.deadLetters.labels(consumer, reason),
      incident: (event) => this.incidents.labels(consumer, event),
      wentBackAt: this.wentBackAt.labels(consumer),
      lacking: this.lacking.labels(consumer),
      latency: this.latency.with({ consumer }),
      duration: this.durations.with({ consumer }),
      size: this.sizes.with({ consumer }),
      topicOf: this.topicOf,
    });
  }

  /**
   * Measures the health of the consumers at each scrape.
   *
   * @param health returns the health of each consumer by its name
   */
  watch(health: () => ReadonlyMap<string, Health>): void {
    const registers = [this.metrics.registry];
    const held = new Gauge({
      name: 'sekali_consumer_held_deliveries',
      help: 'Deliveries that a process holds and has not settled',
      labelNames: ['consumer'],
      registers,
    });
    const progress = new Gauge({
      name: 'sekali_consumer_last_progress_timestamp_seconds',
      help: 'When a delivery was last settled, a handler last returned, or work last began',
      labelNames: ['consumer'],
      registers,
    });
    const states = new Gauge({
      name: 'sekali_consumer_state',
      help: 'Whether the consumer is in the state of the label: 1 or 0',
      labelNames: ['consumer', 'state'],
      registers,
    });
    this.metrics.beforeScrape(() => {
      for (const [consumer, { state, held: count, quietMs }] of health()) {
        held.set({ consumer }, count);
        progress.set({ consumer }, (Date.now() - quietMs) / 1_000);
        for (const one of STATES) states.set({ consumer, state: one }, one === state ? 1 : 0);
      }
    });
  }
}

interface MeterParts {
  readonly count: (topic: string, outcome: string) => Counter.Internal;
  readonly redelivered: Counter.Internal;
  readonly deadLetter: (reason: string) => Counter.Internal;
  readonly incident: (event: string) => Counter.Internal;
  readonly wentBackAt: Gauge.Internal<'consumer'>;
  readonly lacking: Gauge.Internal<'consumer'>;
  readonly latency: Tally;
  readonly duration: Tally;
  readonly size: Tally;
  readonly topicOf: (subject: string) => string | undefined;
}

/** Measures one consumer. */
export class ConsumerMeter {
  private readonly topics: BoundedLabels<OutcomeCounts>;
  private readonly reasons: BoundedLabels<Counter.Internal>;
  /** The counts of the current batch that are not zero. */
  private readonly touched: { count: number; readonly counter: Counter.Internal }[] = [];

  constructor(private readonly parts: MeterParts) {
    this.topics = new BoundedLabels(TOPICS_MAX, (topic) => this.countsOf(topic), parts.topicOf);
    this.reasons = new BoundedLabels(REASONS_MAX, parts.deadLetter);
    parts.redelivered.inc(0);
    parts.wentBackAt.set(0);
    parts.lacking.set(0);
  }

  /** Counts an event of the consumer, by the type that the consumer library gives it. */
  happened(event: { readonly type: string; readonly reason?: string; readonly missing?: number }): void {
    if (event.type === 'committed') return;
    if (event.type === 'store-went-back') {
      this.parts.wentBackAt.setToCurrentTime();
      this.parts.lacking.set(event.missing ?? 0);
    }
    if (event.type === 'dead-letter') this.reasons.of(event.reason ?? 'unknown').inc();
    else this.parts.incident(event.type).inc();
  }

  /** Wraps the decider of the consumer. */
  decider<D extends MeasuredDelivery, O extends MeasuredOutcome>(
    inner: MeasuredDecider<D, O>,
  ): MeasuredDecider<D, O> {
    return {
      isSlow: (streamId, seq) => inner.isSlow(streamId, seq),
      suspectsAmong: (streamId, deliveries) => inner.suspectsAmong(streamId, deliveries),
      process: async (streamId, deliveries) => {
        const beganMs = performance.now();
        const outcomes = await inner.process(streamId, deliveries);
        this.decided(deliveries, outcomes, performance.now() - beganMs);
        return outcomes;
      },
      processSuspect: async (streamId, delivery) => {
        const beganMs = performance.now();
        const outcomes = await inner.processSuspect(streamId, delivery);
        this.decided([delivery], outcomes, performance.now() - beganMs);
        return outcomes;
      },
    };
  }

  private decided(deliveries: readonly MeasuredDelivery[], outcomes: Outcomes, ms: number): void {
    const { latency, duration, size, redelivered } = this.parts;
    duration.observe(ms / 1_000);
    size.observe(deliveries.length);
    const nowMs = Date.now();
    let again = 0;
    for (const delivery of deliveries) {
      const outcome = outcomes.get(delivery.seq);
      if (outcome === undefined || outcome.kind === 'postponed') continue;
      if (delivery.deliveryCount > 1) again += 1;
      this.note(delivery.subject, outcome.conflict === true ? 'conflict' : outcome.kind);
      // Clocks of two machines differ, so the difference may be negative.
      if (outcome.kind === 'stored')
        latency.observe(Math.max(0, nowMs - delivery.publishedAt.getTime()) / 1_000);
    }
    if (again > 0) redelivered.inc(again);
    for (const one of this.touched) {
      one.counter.inc(one.count);
      one.count = 0;
    }
    this.touched.length = 0;
  }

  private note(subject: string, kind: string): void {
    const one = this.topics.of(subject).get(kind);
    if (one === undefined) return;
    if (one.count === 0) this.touched.push(one);
    one.count += 1;
  }

  /** All outcomes exist from the start, so that a rate is right from the first event. */
  private countsOf(topic: string): OutcomeCounts {
    return new Map(
      OUTCOMES.map((kind) => {
        const counter = this.parts.count(topic, kind.replaceAll('-', '_'));
        counter.inc(0);
        return [kind, { count: 0, counter }];
      }),
    );
  }
}

/** The kinds of outcomes that are counted. A conflict is a duplicate whose content differs. */
const OUTCOMES = [
  'stored',
  'duplicate',
  'conflict',
  'already-processed',
  'dead-letter',
  'parked',
  'retry',
  'ignored',
];
