import type { Logger } from '../logger.js';
import { consumersHealth } from './consumer-health.js';
import { type ConsumerMeter, ConsumerMetrics } from './consumer-metrics.js';
import { measureKeys } from './key-metrics.js';
import { listenForMetrics, type MetricsEndpoint } from './metrics-endpoint.js';
import { measurePool, type MeasuredPool } from './pool-metrics.js';
import { ProgramMetrics } from './program-metrics.js';
import { measureRetention } from './retention-metrics.js';

/** A program of consumers, and where it serves its metrics. */
export interface ConsumerProgramOptions {
  /** Its name, such as `worker`. */
  readonly program: string;
  readonly host: string;
  /** Names with a dot, joined by commas, see `MetricsOptions`. */
  readonly hosts?: string | undefined;
  /** 0 takes a free port. Without one, nothing is measured or served. */
  readonly port: number | undefined;
  readonly pool: MeasuredPool;
  /** The topic of a subject; `undefined` where it names none. */
  readonly topicOf: (subject: string) => string | undefined;
}

type Health = Parameters<typeof consumersHealth>[0];

/**
 * The metrics and the health of a program of consumers.
 *
 *   created ─meter()─▶ consumers are measured ─serve()─▶ scraped ─close()─▶ over
 */
export class ConsumerProgram {
  private readonly measured:
    { readonly metrics: ProgramMetrics; readonly consumers: ConsumerMetrics } | undefined;
  private endpoint: MetricsEndpoint | undefined;

  constructor(private readonly options: ConsumerProgramOptions) {
    if (options.port === undefined) return;
    const metrics = new ProgramMetrics(options.program);
    this.measured = { metrics, consumers: new ConsumerMetrics(metrics, options.topicOf) };
    measurePool(metrics, options.pool);
  }

  /** Returns the meter of a consumer; `undefined` where nothing is measured. */
  meter(consumer: string): ConsumerMeter | undefined {
    return this.measured?.consumers.of(consumer);
  }

  /** Measures the health of the consumers at each scrape. `serve` does it, too. */
  watch(health: () => Health): void {
    this.measured?.consumers.watch(health);
  }

  /** Measures the generations of keys and their filters at each scrape. @param figures those of each consumer */
  watchKeys(figures: Parameters<typeof measureKeys>[1]): void {
    if (this.measured !== undefined) measureKeys(this.measured.metrics, figures);
  }

  /** Measures at each scrape what this program has dropped by age. */
  watchRetention(figures: Parameters<typeof measureRetention>[1]): void {
    if (this.measured !== undefined) measureRetention(this.measured.metrics, figures);
  }

  /** Returns what a scrape gets; an empty text where nothing is measured. */
  async text(): Promise<string> {
    return this.measured?.metrics.text() ?? '';
  }

  /**
   * Starts to serve. It is called before the consumers pull, so that a program that waits for a broker answers too.
   *
   * @param health returns the health of each consumer by its name
   * @throws when the address cannot be taken
   */
  async serve(health: () => Health, logger: Logger): Promise<void> {
    const { host, hosts, port } = this.options;
    if (this.measured === undefined || port === undefined) return;
    const { metrics } = this.measured;
    this.watch(health);
    this.endpoint = await listenForMetrics({
      host,
      hosts,
      port,
      metrics,
      health: () => consumersHealth(health()),
    });
    logger.info({ url: this.endpoint.url }, 'metrics are served');
  }

  /** Stops serving. */
  close(): void {
    this.endpoint?.close();
  }
}
