/**
 * The state of the whole system, which each gateway reports alike: the stream, its consumer, the database, and
 * certificates. Rules use `max` over the gateways, and never `sum`.
 *
 *   scrape ─▶ read(), at most every 5 s ─▶ gauges; what is unknown has no series
 */
import { Counter, Gauge } from 'prom-client';
import type { ProgramMetrics } from './program-metrics.js';

const READ_EVERY_MS = 5_000;

/** The state of the stream and its consumer. */
export interface BrokerFigures {
  readonly streamBytes: number;
  /** 0 where the stream has no bound. */
  readonly streamBytesMax: number;
  readonly streamMessages: number;
  /** 0 where messages do not leave by age. */
  readonly ageSecondsMax: number;
  readonly replicasExpected: number;
  readonly replicasCurrent: number;
  /** The figures of the consumer; `undefined` where it does not exist. */
  readonly consumer:
    | {
        /** Messages that are not settled. */
        readonly lagEvents: number;
        /** The age of the oldest of them. */
        readonly lagSeconds: number;
        /** Those of them that are delivered. */
        readonly inFlightEvents: number;
        /** When a message was last acknowledged, in seconds since 1970; `undefined` when never. */
        readonly lastSettledSeconds: number | undefined;
      }
    | undefined;
}

/** The state of the database. */
export interface DatabaseFigures {
  /** What became of every message so far, by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Where the newest partition ends, in seconds since 1970. */
  readonly partitionsEndSeconds: number | undefined;
  readonly bytes: number;
}

/** All of it. A part that does not answer is `undefined`. */
export interface SystemFigures {
  readonly brokers: BrokerFigures | undefined;
  readonly database: DatabaseFigures | undefined;
  /** The end of each certificate, in seconds since 1970, by the name of its setting. */
  readonly certificates: Readonly<Record<string, number>>;
}

type Value = number | undefined;

const GAUGES: readonly { name: string; help: string; of: (figures: SystemFigures) => Value }[] = [
  {
    name: 'sekali_brokers_up',
    help: 'Whether the brokers say how the stream is: 1 or 0',
    of: ({ brokers }) => (brokers === undefined ? 0 : 1),
  },
  {
    name: 'sekali_database_up',
    help: 'Whether the database answers: 1 or 0',
    of: ({ database }) => (database === undefined ? 0 : 1),
  },
  {
    name: 'sekali_stream_bytes',
    help: 'Bytes that the stream holds',
    of: ({ brokers }) => brokers?.streamBytes,
  },
  {
    name: 'sekali_stream_bytes_max',
    help: 'Bytes that the stream may hold',
    of: ({ brokers }) => brokers && (brokers.streamBytesMax || undefined),
  },
  {
    name: 'sekali_stream_messages',
    help: 'Messages that the stream holds',
    of: ({ brokers }) => brokers?.streamMessages,
  },
  {
    name: 'sekali_stream_age_max_seconds',
    help: 'Age at which messages leave the stream',
    of: ({ brokers }) => brokers && (brokers.ageSecondsMax || undefined),
  },
  {
    name: 'sekali_stream_replicas_expected',
    help: 'Brokers that should hold the stream',
    of: ({ brokers }) => brokers?.replicasExpected,
  },
  {
    name: 'sekali_stream_replicas_current',
    help: 'Brokers that hold the stream and answer',
    of: ({ brokers }) => brokers?.replicasCurrent,
  },
  {
    name: 'sekali_consumer_up',
    help: 'Whether the durable consumer exists: 1 or 0',
    of: ({ brokers }) => brokers && (brokers.consumer === undefined ? 0 : 1),
  },
  {
    name: 'sekali_lag_events',
    help: 'Messages that are not settled yet',
    of: ({ brokers }) => brokers?.consumer?.lagEvents,
  },
  {
    name: 'sekali_lag_seconds',
    help: 'Age of the oldest message that is not settled; 0 when there is none',
    of: ({ brokers }) => brokers?.consumer?.lagSeconds,
  },
  {
    name: 'sekali_in_flight_events',
    help: 'Messages that are delivered and not settled yet',
    of: ({ brokers }) => brokers?.consumer?.inFlightEvents,
  },
  {
    name: 'sekali_last_settled_timestamp_seconds',
    help: 'When a worker last settled a message',
    of: ({ brokers }) => brokers?.consumer?.lastSettledSeconds,
  },
  {
    name: 'sekali_partitions_end_timestamp_seconds',
    help: 'Where the newest partition of the event table ends',
    of: ({ database }) => database?.partitionsEndSeconds,
  },
  {
    name: 'sekali_database_bytes',
    help: 'Bytes of the database on its disk',
    of: ({ database }) => database?.bytes,
  },
];

/** The metrics of the system. */
export class SystemMetrics {
  private readonly gauges: readonly { gauge: Gauge; of: (figures: SystemFigures) => Value }[];
  private readonly outcomes: Counter<'outcome'>;
  private readonly certificates: Gauge<'setting'>;
  private readAtMs = Number.NEGATIVE_INFINITY;

  /** @param read returns the figures; it must not reject, and has to answer within the timeout of a scrape */
  constructor(
    metrics: ProgramMetrics,
    private readonly read: () => Promise<SystemFigures>,
  ) {
    const registers = [metrics.registry];
    this.gauges = GAUGES.map(({ name, help, of }) => ({ gauge: new Gauge({ name, help, registers }), of }));
    this.outcomes = new Counter({
      name: 'sekali_ledger_events_total',
      help: 'Outcomes of all messages so far, exact, as the database counts them',
      labelNames: ['outcome'],
      registers,
    });
    this.certificates = new Gauge({
      name: 'sekali_certificate_expiry_timestamp_seconds',
      help: 'When the first certificate in the file of the setting expires',
      labelNames: ['setting'],
      registers,
    });
    metrics.beforeScrape(async () => this.refresh());
  }

  private async refresh(): Promise<void> {
    if (performance.now() - this.readAtMs < READ_EVERY_MS) return;
    const figures = await this.read();
    this.readAtMs = performance.now();
    for (const { gauge, of } of this.gauges) {
      const value = of(figures);
      if (value === undefined) gauge.remove();
      else gauge.set(value);
    }
    // The database counts. A gauge would have the wrong type, and a counter can only be increased.
    this.outcomes.reset();
    for (const [outcome, count] of Object.entries(figures.database?.outcomes ?? {}))
      this.outcomes.inc({ outcome }, count);
    for (const [setting, seconds] of Object.entries(figures.certificates))
      this.certificates.set({ setting }, seconds);
  }
}
