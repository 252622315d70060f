/**
 * A system for one test: a stream, a consumer and a database that no other test uses.
 *
 * `createTestSystem` uses the servers of the whole run; no test may stop or slow those. `createTestCluster` starts
 * separate brokers and a Postgres, which the test may kill, stop and start as it likes.
 */
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { connectBroker, ensureConsumer, ensureStream } from '#broker';
import type { BrokerCluster, PostgresServer } from '#local-cluster';
import { createPool } from '#postgres';
import type { BrokerSplit } from './broker-split.js';
import { atTheEnd } from './clean-up.js';
import { waitFor } from './condition.js';
import { sharedServers, startOwnServers, type ServerAddresses } from './servers.js';
import { createDatabase, dropDatabase } from './test-database.js';

/** A connection to the brokers. */
export type BrokerConnection = Awaited<ReturnType<typeof connectBroker>>;

/** Options of a test system; each has a default. */
export interface TestSystemOptions {
  /** Brokers that hold each message. The default is 3. */
  readonly replicas?: number;
  /** The default is 120,000. */
  readonly duplicateWindowMs?: number;
  /** The default is 64 MiB. */
  readonly streamBytesMax?: number;
  /** The default is 15,000, and the minimum 1,000. The environment's bound for a transaction stays below it. */
  readonly ackWaitMs?: number;
  /** The default is 50,000. */
  readonly ackPendingMax?: number;
  /** Further SEKALI_* variables for the environment of the apps, which override the others. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A stream, a consumer and a database for one test. */
export interface TestSystem {
  readonly natsUrls: readonly string[];
  readonly postgresUrl: string;
  readonly streamName: string;
  readonly subjectPrefix: string;
  readonly consumerName: string;
  /** Every SEKALI_* variable that gateway, worker and setup need. A gateway takes a free port. */
  readonly environment: Readonly<Record<string, string>>;
  /** A connection of the test itself. */
  readonly connection: BrokerConnection;
  /** A pool on the database, of the test itself. */
  readonly pool: Pool;
  /**
   * Removes stream and database and closes the connections. It is repeatable, and runs by itself after the file's last
   * test.
   */
  dispose(): Promise<void>;
}

/** A system on its own servers. `dispose` stops them. */
export interface TestCluster extends TestSystem {
  readonly brokers: BrokerCluster;
  readonly postgres: PostgresServer;
}

const STREAM_BYTES_MAX = 64 * 1024 * 1024;
const STREAM_AGE_SECONDS_MAX = 3_600;
const POOL_CONNECTIONS_MAX = 4;
const POOL_STATEMENT_MS_MAX = 30_000;
const STREAM_NOT_FOUND = 10059;
const CONSUMER_CREATED_TIMEOUT_MS = 20_000;

/** Creates a system on the servers of this run. */
export async function createTestSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const servers = sharedServers();
  const names = nameSystem();
  const system = await prepare(servers, names, options);
  const remove = async (): Promise<void> => {
    await deleteStream(system.connection, names.streamName);
    await close(system);
    await dropDatabase(servers.postgresUrl, names.database);
  };
  return { ...system, dispose: onceAtTheEnd(remove) };
}

/** Options of a system on its own brokers. */
export interface TestClusterOptions extends TestSystemOptions {
  readonly nodes?: 1 | 3 | 5;
  /** Stands between the brokers and can separate them. It ends with them. */
  readonly split?: BrokerSplit;
}

/** Creates a system on three brokers (or `nodes`) and a Postgres of its own, for tests that break them. */
export async function createTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const servers = await startOwnServers(options.nodes, options.split);
  const stop = onceAtTheEnd(() => servers.stop());
  const system = await prepare(servers, nameSystem(), { replicas: options.nodes ?? 3, ...options });
  const remove = async (): Promise<void> => {
    await close(system);
    await stop();
  };
  return { ...system, brokers: servers.brokers, postgres: servers.postgres, dispose: onceAtTheEnd(remove) };
}

interface Names {
  readonly streamName: string;
  readonly subjectPrefix: string;
  readonly consumerName: string;
  readonly database: string;
}

function nameSystem(): Names {
  const id = randomBytes(5).toString('hex');
  return {
    streamName: `TEST_${id}`,
    subjectPrefix: `test_${id}`,
    consumerName: 'store',
    database: `test_${id}`,
  };
}

async function prepare(
  { natsUrls, postgresUrl: serverUrl }: ServerAddresses,
  names: Names,
  options: TestSystemOptions,
): Promise<Omit<TestSystem, 'dispose'>> {
  const { streamName, subjectPrefix, consumerName } = names;
  const limits = {
    replicas: options.replicas ?? 3,
    bytesMax: options.streamBytesMax ?? STREAM_BYTES_MAX,
    ageSecondsMax: STREAM_AGE_SECONDS_MAX,
    duplicateWindowMs: options.duplicateWindowMs ?? 120_000,
    ackWaitMs: options.ackWaitMs ?? 15_000,
    ackPendingMax: options.ackPendingMax ?? 50_000,
  };
  const [postgresUrl, connection] = await Promise.all([
    createDatabase(serverUrl, names.database),
    connectBroker({ urls: natsUrls.join(','), name: `test ${streamName}` }, { waitForFirst: true }),
  ]);
  await ensureStream(connection, { ...limits, name: streamName, subjectPrefix });
  const consumer = { ...limits, name: consumerName, stream: streamName };
  await waitFor(
    async () => {
      await ensureConsumer(connection, consumer, () => Promise.resolve(1));
      return true;
    },
    // A busy broker may receive the request before it knows the stream that another broker has just created.
    { timeoutMs: CONSUMER_CREATED_TIMEOUT_MS, describe: `the consumer of ${streamName} to be made` },
  );
  const pool = createPool({
    url: postgresUrl,
    name: 'test',
    connectionsMax: POOL_CONNECTIONS_MAX,
    transactionMsMax: POOL_STATEMENT_MS_MAX,
  });
  const environment = {
    SEKALI_NATS_URLS: natsUrls.join(','),
    SEKALI_POSTGRES_URL: postgresUrl,
    ...environmentOf(names, limits),
    ...options.settings,
  };
  return { natsUrls, postgresUrl, streamName, subjectPrefix, consumerName, environment, connection, pool };
}

function environmentOf(
  names: Names,
  limits: Readonly<
    Record<
      'replicas' | 'bytesMax' | 'ageSecondsMax' | 'duplicateWindowMs' | 'ackWaitMs' | 'ackPendingMax',
      number
    >
  >,
): Record<string, string> {
  return {
    SEKALI_STREAM: names.streamName,
    SEKALI_SUBJECT_PREFIX: names.subjectPrefix,
    SEKALI_CONSUMER: names.consumerName,
    SEKALI_STREAM_REPLICAS: String(limits.replicas),
    SEKALI_STREAM_BYTES_MAX: String(limits.bytesMax),
    SEKALI_STREAM_AGE_SECONDS_MAX: String(limits.ageSecondsMax),
    SEKALI_DUPLICATE_WINDOW_MS: String(limits.duplicateWindowMs),
    SEKALI_ACK_WAIT_MS: String(limits.ackWaitMs),
    SEKALI_ACK_PENDING_MAX: String(limits.ackPendingMax),
    SEKALI_TRANSACTION_MS_MAX: String(Math.min(8_000, limits.ackWaitMs - 500)),
    SEKALI_HTTP_HOST: '127.0.0.1',
    SEKALI_HTTP_PORT: '0',
    SEKALI_LOG_LEVEL: 'info',
  };
}

async function close({ connection, pool }: Pick<TestSystem, 'connection' | 'pool'>): Promise<void> {
  await Promise.all([connection.close(), pool.ended ? undefined : pool.end()]);
}

async function deleteStream(connection: BrokerConnection, name: string): Promise<void> {
  const answer = await connection.request(`$JS.API.STREAM.DELETE.${name}`, undefined, { timeout: 10_000 });
  const { error } = answer.json<{ error?: { err_code: number; description: string } }>();
  if (error !== undefined && error.err_code !== STREAM_NOT_FOUND) throw new Error(error.description);
}

/** Does the work once: now when called, or else after the last test of the file. */
function onceAtTheEnd(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  const once = (): Promise<void> => (done ??= work());
  atTheEnd(once);
  return once;
}
