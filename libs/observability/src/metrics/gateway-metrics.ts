/** The metrics of a gateway: requests, what became of published events, and refusals by their cause. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { BoundedLabels } from './bounded-labels.js';
import { EVENTS, SECONDS } from './buckets.js';
import type { ProgramMetrics } from './program-metrics.js';
import { type Tally, TalliedHistogram } from './tallied-histogram.js';

const TOPICS_MAX = 100;
/** Routes and status codes come from the code. The bound is for what a server may add to them. */
const ANSWERS_MAX = 200;
const CAUSES_MAX = 100;

/** The parts of an outcome that are measured. */
interface MeasuredOutcome {
  readonly status: 'accepted' | 'duplicate' | 'unavailable';
  readonly reason?: string;
}

interface Published {
  readonly topic: string;
}

/** What publishes events. */
interface MeasuredPublisher<E, O, R> {
  publishAll(events: readonly E[], origin: R): Promise<O[]>;
}

/** Counts of one topic in the current request, and their counters. */
interface TopicCounts {
  readonly counters: Readonly<Record<MeasuredOutcome['status'], Counter.Internal>>;
}

/** The metrics of one gateway. */
export class GatewayMetrics {
  private readonly topics: BoundedLabels<TopicCounts>;
  private readonly answers: BoundedLabels<Tally>;
  private readonly causes: BoundedLabels<Counter.Internal>;
  private readonly unavailable: Counter<'reason'>;
  private readonly pending: Gauge;
  private readonly accepted: Gauge;
  private readonly duration: Tally;
  private readonly size: Tally;

  /** @param reasons for which brokers may not take an event; each has a series from the start */
  constructor({ registry }: ProgramMetrics, reasons: readonly string[]) {
    const registers = [registry];
    this.topics = topicCounts(registry);
    this.answers = answerTallies(registry);
    this.unavailable = new Counter({
      name: 'sekali_publish_unavailable_events_total',
      help: 'Events that the brokers did not take, by the reason',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of reasons) counterAtZero(this.unavailable.labels(reason));
    const refusals = new Counter({
      name: 'sekali_refusals_total',
      help: 'Requests and connections that were refused, by the cause',
      labelNames: ['cause'],
      registers,
    });
    this.causes = new BoundedLabels(CAUSES_MAX, (cause) => refusals.labels(cause));
    this.pending = new Gauge({
      name: 'sekali_publish_pending_events',
      help: 'Events that wait for the answer of the brokers',
      registers,
    });
    this.accepted = new Gauge({
      name: 'sekali_publish_last_accepted_timestamp_seconds',
      help: 'When the brokers last accepted an event of this gateway',
      registers,
    });
    const help = 'Time until the brokers answered for all events of a request';
    const durations = new TalliedHistogram(registry, {
      name: 'sekali_publish_seconds',
      help,
      buckets: SECONDS,
    });
    this.duration = durations.with();
    const sizes = { name: 'sekali_publish_request_events', help: 'Events of one request', buckets: EVENTS };
    this.size = new TalliedHistogram(registry, sizes).with();
  }

  /** Wraps the publisher. */
  publisher<E extends Published, O extends MeasuredOutcome, R>(
    inner: MeasuredPublisher<E, O, R>,
  ): MeasuredPublisher<E, O, R> {
    return {
      publishAll: async (events, origin) => {
        const beganMs = performance.now();
        this.pending.inc(events.length);
        try {
          const outcomes = await inner.publishAll(events, origin);
          this.published(events, outcomes, performance.now() - beganMs);
          return outcomes;
        } finally {
          this.pending.dec(events.length);
        }
      },
    };
  }

  /**
   * Counts an answer.
   *
   * @param route the pattern of the route, such as `/events/:topic/:event_id`; empty where there is none
   */
  answered(method: string, route: string, code: number, seconds: number): void {
    this.answers.of(`${method} ${route === '' ? '(none)' : route} ${code}`).observe(seconds);
  }

  /** Counts refusals. @param cause a name from the code, such as `too-large` */
  refused(cause: string, count = 1): void {
    this.causes.of(cause).inc(count);
  }

  private published(events: readonly Published[], outcomes: readonly MeasuredOutcome[], ms: number): void {
    this.duration.observe(ms / 1_000);
    this.size.observe(events.length);
    const counts = new Map<Counter.Internal, number>();
    let isAccepted = false;
    for (let at = 0; at < outcomes.length; at++) {
      const { status, reason } = outcomes[at] as MeasuredOutcome;
      const counter = this.topics.of((events[at] as Published).topic).counters[status];
      counts.set(counter, (counts.get(counter) ?? 0) + 1);
      if (status === 'unavailable') this.unavailable.labels(reason ?? 'unknown').inc();
      else isAccepted = true;
    }
    for (const [counter, count] of counts) counter.inc(count);
    if (isAccepted) this.accepted.setToCurrentTime();
  }
}

function topicCounts(registry: Registry): BoundedLabels<TopicCounts> {
  const events = new Counter({
    name: 'sekali_publish_events_total',
    help: 'Events that were published, by the answer of the brokers',
    labelNames: ['topic', 'outcome'],
    registers: [registry],
  });
  return new BoundedLabels(TOPICS_MAX, (topic) => ({
    counters: {
      accepted: counterAtZero(events.labels(topic, 'accepted')),
      duplicate: counterAtZero(events.labels(topic, 'duplicate')),
      unavailable: counterAtZero(events.labels(topic, 'unavailable')),
    },
  }));
}

/** The values are `<method> <route> <status code>`. */
function answerTallies(registry: Registry): BoundedLabels<Tally> {
  const requests = new TalliedHistogram(registry, {
    name: 'sekali_http_request_seconds',
    help: 'Time from the head of a request to the end of its answer',
    buckets: SECONDS,
  });
  return new BoundedLabels(ANSWERS_MAX, (answer) => {
    const [method = '', route = '', code = ''] = answer.split(' ');
    return requests.with({ method, route, code });
  });
}

/** A series that exists from the start has a right rate from its first event. */
function counterAtZero(counter: Counter.Internal): Counter.Internal {
  counter.inc(0);
  return counter;
}
