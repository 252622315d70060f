/**
 * Connections to the brokers.
 *
 * Publishing and consuming each take a connection of their own, so that a flood of deliveries cannot hold up
 * the acknowledgements a publisher waits for.
 */
import { readFile } from 'node:fs/promises';
import {
  connect,
  errors,
  nkeyAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
  type ReconnectToServerHandler,
} from '@nats-io/transport-node';
import { retry } from '#waiting';
import { setApiPrefix } from './jetstream-api.js';

/** How to reach the brokers. */
export interface BrokerAddress {
  /**
   * URLs joined by commas, for example `nats://127.0.0.1:4222,nats://127.0.0.1:4223`. A user and a password in them, or a
   * token alone, are the same in each that has any.
   */
  readonly urls: string;
  /** Whether brokers are used that the listed ones name; not so where only the listed addresses can be reached. */
  readonly discovery?: boolean;
  /** What the connection is called in the brokers' monitoring. */
  readonly name: string;
  /** File with the seed of the NKey to sign in with. */
  readonly nkeyFile?: string | undefined;
  /** File with the authority that the brokers' certificates must come from; with it there is no connection without TLS. */
  readonly caFile?: string | undefined;
  /** First tokens of the subjects that answers come to, when the user may not subscribe to `_INBOX.>`. */
  readonly inboxPrefix?: string | undefined;
  /** First tokens of the subjects of JetStream's API, when the account knows it by another name than `$JS.API`. */
  readonly apiPrefix?: string | undefined;
}

/** The settings that say how the brokers are reached, as libs/config reads them. */
export interface BrokerSettings {
  readonly SEKALI_NATS_URLS: string;
  readonly SEKALI_NATS_DISCOVERY: 'true' | 'false';
  readonly SEKALI_NATS_NKEY_FILE?: string | undefined;
  readonly SEKALI_NATS_CA_FILE?: string | undefined;
  readonly SEKALI_NATS_INBOX_PREFIX: string;
  readonly SEKALI_NATS_API_PREFIX: string;
}

/** How a program that is called `name` reaches the brokers. */
export function brokerAddress(settings: BrokerSettings, name: string): BrokerAddress {
  return {
    urls: settings.SEKALI_NATS_URLS,
    discovery: settings.SEKALI_NATS_DISCOVERY === 'true',
    name,
    nkeyFile: settings.SEKALI_NATS_NKEY_FILE,
    caFile: settings.SEKALI_NATS_CA_FILE,
    inboxPrefix: settings.SEKALI_NATS_INBOX_PREFIX,
    apiPrefix: settings.SEKALI_NATS_API_PREFIX,
  };
}

/** How to connect. */
export interface ConnectOptions {
  readonly waitForFirst: boolean;
  readonly choose?: ReconnectToServerHandler;
}

const RECONNECT_WAIT_MS = 250;
const PING_INTERVAL_MS = 2_000;
/** A frozen broker takes a connection and says nothing; the default would wait 20 s for it. */
const CONNECT_MS_MAX = 2_000;

/**
 * Connects, and stays connected: a lost connection is retried for ever, on each of the brokers in turn.
 *
 * @param options.waitForFirst keep trying until the first connection stands, instead of failing when none does
 * @param options.choose which address to try next; the client chooses when it is left out or answers `null`
 * @throws when no broker answers and `waitForFirst` is not set; when the brokers refuse who we are; when a file of the
 *   address cannot be read; when its URLs name different users
 */
export async function connectBroker(
  address: BrokerAddress,
  options: ConnectOptions,
): Promise<NatsConnection> {
  const servers = address.urls.split(',').map((url) => withoutSignIn(url.trim()));
  const connectionOptions: NodeConnectionOptions = {
    servers,
    name: address.name,
    ignoreClusterUpdates: address.discovery === false,
    // The default gives up after 10 attempts and closes the connection for good.
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    timeout: CONNECT_MS_MAX,
    // The default closes it for good when two brokers in a row do not know us, as while keys are being replaced.
    ignoreAuthErrorAbort: true,
    // A peer that vanished without a word (power, network) is noticed after two missed answers.
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    // Stack traces for every request cost more than the request.
    noAsyncTraces: true,
    ...(options.choose && { reconnectToServer: options.choose }),
    ...(address.inboxPrefix !== undefined && { inboxPrefix: address.inboxPrefix }),
    ...(await credentials(address)),
  };
  const connection = await retry(() => connect(connectionOptions), {
    forMs: Number.POSITIVE_INFINITY,
    everyMs: RECONNECT_WAIT_MS,
    // Not left to the client: it would also wait, without a word, for brokers that do not know us.
    isPassing: (error) => options.waitForFirst && !(error instanceof errors.AuthorizationError),
  });
  keepAddresses(connection, servers);
  if (address.apiPrefix !== undefined) setApiPrefix(connection, address.apiPrefix);
  return connection;
}

/**
 * Takes addresses back that the client dropped because they did not answer the first time. Where the brokers do not advertise
 * each other, a program that was started while two of three were down would know a single broker for the rest of its life.
 */
function keepAddresses(connection: NatsConnection, servers: readonly string[]): void {
  const reached = connection.getServers().map(({ listen }) => listen);
  connection.setServers([...servers]);
  const listed = new Set(connection.getServers().map(({ listen }) => listen));
  const discovered = reached.filter((listen) => !listed.has(listen));
  if (discovered.length > 0) connection.setServers([...listed, ...discovered]);
}

/** What stands before the host of a URL. The client would drop it without a word. */
const SIGN_IN = /^((?:[a-z]+:\/\/)?)([^@/]*)@/i;

function withoutSignIn(url: string): string {
  return url.replace(SIGN_IN, '$1');
}

/** @throws when the URLs do not agree: the client signs in everywhere as the same user */
function signInOf(urls: string): Pick<NodeConnectionOptions, 'user' | 'pass' | 'token'> {
  const given = urls.split(',').flatMap((url) => SIGN_IN.exec(url.trim())?.[2] ?? []);
  const [first, ...others] = new Set(given);
  if (first === undefined) return {};
  if (others.length > 0) {
    throw new Error(
      'SEKALI_NATS_URLS: the user and the password must be the same in every address that has them',
    );
  }
  const colon = first.indexOf(':');
  if (colon < 0) return { token: decodeURIComponent(first) };
  return {
    user: decodeURIComponent(first.slice(0, colon)),
    pass: decodeURIComponent(first.slice(colon + 1)),
  };
}

async function credentials(
  address: BrokerAddress,
): Promise<Pick<NodeConnectionOptions, 'authenticator' | 'user' | 'pass' | 'token' | 'tls'>> {
  const { nkeyFile, caFile, urls } = address;
  const seed = nkeyFile === undefined ? undefined : (await readFile(nkeyFile, 'utf8')).trim();
  return {
    ...(seed === undefined && signInOf(urls)),
    ...(seed !== undefined && { authenticator: nkeyAuthenticator(Buffer.from(seed)) }),
    ...(caFile !== undefined && { tls: { ca: await readFile(caFile, 'utf8') } }),
  };
}
