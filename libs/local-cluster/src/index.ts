export { currentPlatform, findNatsServer, findPostgres, type PostgresBinaries } from './binaries.js';
export { startBrokers, type BrokerCluster, type BrokerClusterOptions } from './broker-cluster.js';
export { BrokerNode, type ComponentFault } from './broker-node.js';
export {
  openDataDirectory,
  readRunningSystem,
  type DataDirectory,
  type DataLayout,
  type RunningSystem,
} from './data-directory.js';
export { drawFreePorts, portState } from './free-port.js';
export { LocalClusterError } from './local-cluster-error.js';
export { ManagedProcess, type ProcessExit, type ProcessSpecification } from './managed-process.js';
export { readPostgresMajor } from './postgres-data.js';
export {
  startPostgres,
  type PostgresOptions,
  type PostgresServer,
  type PostgresStopMode,
} from './postgres-server.js';
export { findRepositoryRoot } from './repository-root.js';
