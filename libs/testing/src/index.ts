export { startApp, type App, type AppName, type StartOptions } from './app-process.js';
export { inBackground, type BackgroundWork } from './background-work.js';
export { BrokerSplit, type SplitManner } from './broker-split.js';
export { commandsOf, type Command } from './documents/command.js';
export { codeBlocks, readDocuments, type Document } from './documents/document.js';
export { FaultProxy, type FaultProxyOptions, type HttpFault, type SeenRequest } from './fault-proxy.js';
export { waitFor, type Met, type WaitOptions } from './condition.js';
export { DatabaseCopy, Standby } from './older-database.js';
export { sharedServers, startOwnServers, type OwnServers, type ServerAddresses } from './servers.js';
export {
  createTestCluster,
  createTestSystem,
  type BrokerConnection,
  type TestCluster,
  type TestSystem,
  type TestSystemOptions,
} from './test-system.js';
export { untilSettled } from './settled.js';
export { addStream } from './stream-creation.js';
export { SmallDisk } from './small-disk.js';
export { TcpProxy } from './tcp-proxy.js';
export { createRoles } from './test-roles.js';
