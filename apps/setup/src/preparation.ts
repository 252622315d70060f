/** The two halves of the preparation. Each waits for its store, then makes what is missing. */
import type { SetupSettings } from '#config';
import { jetstreamManager } from '@nats-io/jetstream';
import {
  brokerAddress,
  connectBroker,
  differencesText,
  ensureConsumer,
  ensureStream,
  isPause,
  type OnDifferences,
  streamInfo,
  type StreamIncarnation,
} from '#broker';
import { isUnavailable } from '#idempotent-consumer';
import type { Logger } from '#observability';
import {
  createDataSource,
  createPool,
  ensurePartitions,
  insertApiKeys,
  isLockTimeout,
  ledgerLastSequence,
  type Queryable,
  runMigrations,
  settledHorizon,
  streamIdOf,
  type StoreAddress,
} from '#store';
import { readKeyFile } from './key-file.js';

const WAIT_MS_MAX = 60_000;
const RETRY_MS = 500;
/** A migration may rewrite a table; this bounds one that hangs. */
const MIGRATION_MS_MAX = 1_800_000;
const STALE_ANSWER_MS_MAX = 5_000;

type BrokerConnection = Awaited<ReturnType<typeof connectBroker>>;

/** The two stores do not belong together, and whoever restored them has to decide. */
export class OlderStreamError extends Error {
  override readonly name = 'OlderStreamError';
}

/**
 * Runs the migrations, makes partitions ahead, and adds the API keys of the file that the settings name. Two setups at
 * once wait for each other.
 *
 * @throws SettingsError when that file is wrong, before anything is changed
 */
export async function prepareDatabase(settings: SetupSettings, logger: Logger): Promise<void> {
  const keys = readKeyFile(settings.SEKALI_API_KEYS_FILE);
  const address = storeAddress(settings, MIGRATION_MS_MAX);
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const dataSource = await createDataSource(address);
    try {
      await dataSource.initialize();
      const applied = await runMigrations(dataSource, (error) => {
        logger.warn({ reason: String(error) }, 'somebody holds a table that a migration needs; trying again');
      });
      logger.info({ applied }, applied.length > 0 ? 'schema migrated' : 'schema is current');
      break;
    } catch (error) {
      if (!isUnavailable(error) || Date.now() > deadline) throw error;
      logger.info({ reason: String(error) }, 'waiting for Postgres');
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    } finally {
      if (dataSource.isInitialized) await dataSource.destroy();
    }
  }
  const pool = createPool(address);
  try {
    await makePartitions(pool, logger);
    const added = await insertApiKeys(pool, keys);
    if (added.length > 0) logger.info({ added }, 'API keys added');
  } finally {
    await pool.end();
  }
}

/** A backup that reads the tables for hours must not hold up the start: workers make partitions, too, a week ahead. */
async function makePartitions(pool: Parameters<typeof ensurePartitions>[0], logger: Logger): Promise<void> {
  try {
    const made = await ensurePartitions(pool);
    if (made.length > 0) logger.info({ made }, 'partitions made');
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    logger.warn({ reason: String(error) }, 'somebody reads the events; workers will make the partitions');
  }
}

/** Makes the stream and the consumer. A consumer that has to be made begins where the database ends. */
export async function prepareBroker(settings: SetupSettings, logger: Logger): Promise<void> {
  const connection = await connectBroker(brokerAddress(settings, 'setup'), { waitForFirst: true });
  const pool = createPool(storeAddress(settings, MIGRATION_MS_MAX));
  try {
    const onDifferences = sayDifferences(logger);
    const stream = await ensureStream(
      connection,
      {
        name: settings.SEKALI_STREAM,
        subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
        replicas: settings.SEKALI_STREAM_REPLICAS,
        bytesMax: settings.SEKALI_STREAM_BYTES_MAX,
        ageSecondsMax: settings.SEKALI_STREAM_AGE_SECONDS_MAX,
        duplicateWindowMs: settings.SEKALI_DUPLICATE_WINDOW_MS,
        consumers: [settings.SEKALI_CONSUMER],
      },
      onDifferences,
    );
    await refuseOlderStream(connection, pool, { name: settings.SEKALI_STREAM, created: stream.created });
    const consumer = await ensureConsumer(
      connection,
      {
        name: settings.SEKALI_CONSUMER,
        stream: settings.SEKALI_STREAM,
        ackWaitMs: settings.SEKALI_ACK_WAIT_MS,
        ackPendingMax: settings.SEKALI_ACK_PENDING_MAX,
      },
      async (incarnation, firstSeq) =>
        (await settledHorizon(pool, await streamIdOf(pool, incarnation), firstSeq - 1)) + 1,
      onDifferences,
    );
    logger.info({ stream: stream.config.name, consumer: consumer.name }, 'stream and consumer are ready');
  } finally {
    await pool.end();
    await connection.close();
  }
}

/** What was changed by hand is put right, and never in silence; a pause is left to whoever made it. */
function sayDifferences(logger: Logger): OnDifferences {
  return (subject, differences) => {
    const text = differencesText(differences);
    if (differences.every(isPause)) {
      logger.warn({ differences: text }, `${subject} is paused: nothing is stored until the pause ends`);
    } else {
      logger.warn({ differences: text }, `${subject} differed from its definition; it was put right`);
    }
  };
}

/**
 * A stream that ends before the ledger does was brought back from a backup that is older than the database. Its next
 * messages would come under sequences that others have, and no worker could store one of them.
 */
async function refuseOlderStream(
  connection: BrokerConnection,
  pool: Queryable,
  incarnation: StreamIncarnation,
): Promise<void> {
  const known = await ledgerLastSequence(pool, await streamIdOf(pool, incarnation));
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const deadline = Date.now() + STALE_ANSWER_MS_MAX;
  for (;;) {
    // Asked after the database. A broker that has just lost the leadership may still answer, with an older state.
    const last = (await streamInfo(manager, incarnation.name))?.state.last_seq ?? 0;
    if (last >= known) return;
    if (Date.now() > deadline) {
      throw new OlderStreamError(
        `the stream ${incarnation.name} ends at ${last}, but the database has its sequence ${known}: the brokers were ` +
          'restored from a backup older than that of the database; give them empty volumes, or restore an older ' +
          'backup of the database (deploy/README.md)',
      );
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function storeAddress(settings: SetupSettings, transactionMsMax: number): StoreAddress {
  return { url: settings.SEKALI_POSTGRES_URL, name: 'sekali-setup', connectionsMax: 2, transactionMsMax };
}
