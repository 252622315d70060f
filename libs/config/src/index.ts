export { readApiKey } from './api-key.js';
export {
  readAccountsSettings,
  readClientSettings,
  readGatewaySettings,
  readLocalClusterSettings,
  readSetupSettings,
  readWorkerSettings,
  SettingsError,
  systemEnvironment,
  type AccountsSettings,
  type ClientSettings,
  type Environment,
  type GatewaySettings,
  type LocalClusterSettings,
  type SetupSettings,
  type WorkerSettings,
} from './environment.js';
export {
  accountsFields,
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  metricsFields,
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';
