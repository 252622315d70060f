/** The metrics of a gateway and of the system, and the port where both are served. */
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import type { UnavailableReason } from '#broker';
import type { GatewaySettings } from '#config';
import type { Logger } from '#observability';
import {
  GatewayMetrics,
  listenForMetrics,
  measurePool,
  type MetricsEndpoint,
  ProgramMetrics,
  SystemMetrics,
} from '#observability/metrics';
import type { EventPublisher } from '../publish/publishing.js';
import { refusalOf } from './refusal.js';
import { readSystem, type SystemReaderParts } from './system-reader.js';

const REASONS: readonly UnavailableReason[] = [
  'busy',
  'stream_full',
  'no_answer',
  'too_large',
  'refused',
  'stopping',
];

/** Measures a gateway. Without a port, nothing is measured. */
export class GatewayProgram {
  private readonly measured:
    { readonly metrics: ProgramMetrics; readonly gateway: GatewayMetrics } | undefined;
  private endpoint: MetricsEndpoint | undefined;

  constructor(
    private readonly settings: GatewaySettings,
    pool: Pool,
  ) {
    if (settings.SEKALI_METRICS_PORT === undefined) return;
    const metrics = new ProgramMetrics('gateway');
    this.measured = { metrics, gateway: new GatewayMetrics(metrics, REASONS) };
    measurePool(metrics, pool);
  }

  /** Wraps the publisher. */
  publisher(inner: EventPublisher): EventPublisher {
    return this.measured?.gateway.publisher(inner) ?? inner;
  }

  /** Measures the requests of a server. It is called before its routes exist. */
  requests(server: FastifyInstance): void {
    const gateway = this.measured?.gateway;
    if (gateway === undefined) return;
    server.addHook('onResponse', (request, reply, next) => {
      const { url = '' } = request.routeOptions;
      gateway.answered(request.method, url, reply.statusCode, reply.elapsedTime / 1_000);
      const cause = refusalOf(reply);
      if (cause !== undefined) gateway.refused(cause);
      next();
    });
  }

  /** Counts connections that were refused. */
  refusedConnections(count: number): void {
    this.measured?.gateway.refused('too-many-connections', count);
  }

  /** Starts to serve. @throws when the address cannot be taken */
  async serve(parts: Omit<SystemReaderParts, 'settings'>, logger: Logger): Promise<void> {
    const { SEKALI_METRICS_HOST: host, SEKALI_METRICS_PORT: port } = this.settings;
    const { SEKALI_METRICS_HOSTS: hosts } = this.settings;
    if (this.measured === undefined || port === undefined) return;
    const { metrics } = this.measured;
    new SystemMetrics(metrics, () => readSystem({ ...parts, settings: this.settings }));
    this.endpoint = await listenForMetrics({ host, hosts, port, metrics });
    logger.info({ url: this.endpoint.url }, 'metrics are served');
  }

  /** Stops serving. */
  close(): void {
    this.endpoint?.close();
  }
}
