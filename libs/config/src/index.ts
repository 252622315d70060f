export { readApiKey } from './api-key.js';
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
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';
