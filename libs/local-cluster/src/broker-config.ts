/** The configuration file of one nats-server node, as text. All its ports listen on loopback only. */

/** The settings of one node of a cluster. Ports are on 127.0.0.1. */
export interface BrokerConfig {
  /** Unique in the cluster, and the node's identity in its Raft groups: it must never change. */
  readonly serverName: string;
  /** Equal on all nodes, so that two clusters that draw the same route port do not become one. */
  readonly clusterName: string;
  readonly clientPort: number;
  readonly monitorPort: number;
  readonly routePort: number;
  /** The ports at which it dials all nodes, its own included. A single port means that there is no cluster. */
  readonly routePorts: readonly number[];
  /** The address that other nodes dial instead of its route port, where they may use only given addresses. */
  readonly advertisedRoute?: string | undefined;
  readonly storeDirectory: string;
  readonly payloadBytesMax: number;
  readonly fileStoreBytesMax: number;
  readonly memoryStoreBytesMax: number;
  /** How often the server calls fsync: a duration such as "2m" (the server's own default), or "always". */
  readonly syncInterval?: string | undefined;
  /**
   * Clients and the other nodes sign in with it as `BROKER_USER`. Without it, every client that reaches the ports is
   * accepted.
   */
  readonly password?: string | undefined;
}

/** The one user of a local cluster. */
export const BROKER_USER = 'sekali';
/** On a busy machine a client may take a while to sign in. The server's own default is 2 s. */
const SIGN_IN_SECONDS_MAX = 10;

/**
 * Renders the file. `lame_duck_duration` is left out, because the server takes nothing under 30 s and a plain stop is
 * immediate.
 */
export function renderBrokerConfig(config: BrokerConfig): string {
  return [
    '# Written at every start; changes are lost.',
    `server_name: ${JSON.stringify(config.serverName)}`,
    `listen: "127.0.0.1:${config.clientPort}"`,
    `http: "127.0.0.1:${config.monitorPort}"`,
    `max_payload: ${config.payloadBytesMax}`,
    ...authorizationBlock(config.password),
    'jetstream {',
    `  store_dir: ${JSON.stringify(config.storeDirectory)}`,
    `  max_file_store: ${config.fileStoreBytesMax}`,
    `  max_memory_store: ${config.memoryStoreBytesMax}`,
    ...(config.syncInterval === undefined ? [] : [`  sync_interval: ${JSON.stringify(config.syncInterval)}`]),
    '}',
    ...(config.routePorts.length > 1 ? clusterBlock(config) : []),
    '',
  ].join('\n');
}

function authorizationBlock(password: string | undefined): string[] {
  if (password === undefined) return [];
  const user = `user: ${BROKER_USER}, password: ${JSON.stringify(password)}`;
  return [`authorization { ${user}, timeout: ${SIGN_IN_SECONDS_MAX} }`];
}

function clusterBlock({
  clusterName,
  routePort,
  routePorts,
  advertisedRoute,
  password,
}: BrokerConfig): string[] {
  const signIn = password === undefined ? '' : `${BROKER_USER}:${encodeURIComponent(password)}@`;
  return [
    'cluster {',
    `  name: ${JSON.stringify(clusterName)}`,
    `  listen: "127.0.0.1:${routePort}"`,
    ...authorizationBlock(password).map((line) => `  ${line}`),
    `  routes: [${routePorts.map((port) => `"nats://${signIn}127.0.0.1:${port}"`).join(', ')}]`,
    ...(advertisedRoute === undefined
      ? []
      : [`  advertise: ${JSON.stringify(advertisedRoute)}`, '  no_advertise: true']),
    '}',
  ];
}
