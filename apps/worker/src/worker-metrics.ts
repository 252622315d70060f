/** Measures the consumers of a worker. */
import type { Pool } from 'pg';
import type { WorkerSettings } from '#config';
import { validTopicOf } from '#contracts';
import { ConsumerProgram } from '#observability/metrics';
import type { WorkerTransport } from './transport-options.js';

/** Creates the metrics of a worker from its settings. */
export function workerMetrics(settings: WorkerSettings, pool: Pool): ConsumerProgram {
  return new ConsumerProgram({
    program: 'worker',
    host: settings.SEKALI_METRICS_HOST,
    hosts: settings.SEKALI_METRICS_HOSTS,
    port: settings.SEKALI_METRICS_PORT,
    pool,
    topicOf: (subject) => validTopicOf(settings.SEKALI_SUBJECT_PREFIX, subject),
  });
}

/** Returns the options of the transport, with consumers that are measured under their patterns. */
export function measured(options: WorkerTransport, metrics: ConsumerProgram): WorkerTransport {
  const { observerOf, deciderOf = (_pattern, decider) => decider } = options;
  return {
    ...options,
    observerOf: (pattern) => {
      const [meter, observe] = [metrics.meter(pattern), observerOf(pattern)];
      if (meter === undefined) return observe;
      return (event) => {
        meter.happened(event);
        observe(event);
      };
    },
    deciderOf: (pattern, decider) => {
      const inner = deciderOf(pattern, decider);
      return metrics.meter(pattern)?.decider(inner) ?? inner;
    },
  };
}
