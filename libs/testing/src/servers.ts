/** The brokers and the Postgres of a test: those of the whole run, or its own to break. */
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrokers, startPostgres, type BrokerCluster, type PostgresServer } from '#local-cluster';
import type { BrokerSplit } from './broker-split.js';

/** The addresses of servers. */
export interface ServerAddresses {
  readonly natsUrls: readonly string[];
  /** A URL of the superuser. */
  readonly postgresUrl: string;
}

/** Servers that a test started for itself. */
export interface OwnServers extends ServerAddresses {
  readonly brokers: BrokerCluster;
  readonly postgres: PostgresServer;
  /** Stops them and removes their data. */
  stop(): Promise<void>;
}

/** These settings do not survive a power cut; a process that is killed still loses nothing. */
const POSTGRES_SETTINGS = { fsync: 'off', full_page_writes: 'off', max_connections: '200' };

/** Many tests each reserve some bytes for a stream and use few of them, so the free disk space does not bound this. */
const FILE_STORE_BYTES_MAX = 10 * 1024 ** 3;

/** The servers of this run (see jest/global-setup.mjs). Throws when there are none. */
export function sharedServers(): ServerAddresses {
  const text = process.env['SEKALI_TEST_SERVERS'];
  if (text === undefined) {
    throw new Error(
      'There are no servers for this run: only .int.spec.ts and .e2e.spec.ts files may ask for them.',
    );
  }
  return JSON.parse(text) as ServerAddresses;
}

/**
 * Starts three brokers (or `nodes`) and a Postgres for one test file. This takes some seconds.
 *
 * @param split stands between the brokers, and ends with them
 */
export async function startOwnServers(nodes = 3, split?: BrokerSplit): Promise<OwnServers> {
  const folder = mkdtempSync(join(tmpdir(), 'sekali-servers-'));
  await chmod(folder, 0o755);
  const [brokers, postgres] = await Promise.all([
    startBrokers({
      dataDirectory: join(folder, 'brokers'),
      nodes,
      routeVia: split?.routeVia,
      maxFileStoreBytes: FILE_STORE_BYTES_MAX,
    }),
    startPostgres({ dataDirectory: join(folder, 'postgres'), settings: POSTGRES_SETTINGS }),
  ]);
  return {
    natsUrls: brokers.urls,
    postgresUrl: postgres.url,
    brokers,
    postgres,
    stop: async () => {
      await Promise.all([brokers.stop(), postgres.stop('immediate')]);
      await split?.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
