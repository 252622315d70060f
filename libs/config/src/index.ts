export {
  readClientSettings,
  readGatewaySettings,
  readLocalClusterSettings,
  readSetupSettings,
  readWorkerSettings,
  SettingsError,
  systemEnvironment,
  type ClientSettings,
  type Environment,
  type GatewaySettings,
  type LocalClusterSettings,
  type SetupSettings,
  type WorkerSettings,
} from './environment.js';
export {
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  streamFields,
  workerFields,
} from './settings.js';
