export { ConsumerProgram } from './consumer-program.js';
export { GatewayMetrics } from './gateway-metrics.js';
export { listenForMetrics, type MetricsEndpoint } from './metrics-endpoint.js';
export { measurePool } from './pool-metrics.js';
export { ProgramMetrics } from './program-metrics.js';
export type { RetentionFigures } from './retention-metrics.js';
export {
  SystemMetrics,
  type BrokerFigures,
  type DatabaseFigures,
  type SystemFigures,
} from './system-metrics.js';
