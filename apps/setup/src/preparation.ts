/** The two halves of the preparation. Each waits for its store, then makes what is missing. */
import type { SetupSettings } from '#config';
import { brokerAddress, connectBroker, ensureConsumer, ensureStream } from '#broker';
import { isUnavailable } from '#idempotent-consumer';
import type { Logger } from '#observability';
import {
  createDataSource,
  createPool,
  ensurePartitions,
  insertApiKeys,
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
    const dataSource = createDataSource(address);
    try {
      await dataSource.initialize();
      const applied = await runMigrations(dataSource);
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
    const made = await ensurePartitions(pool);
    if (made.length > 0) logger.info({ made }, 'partitions made');
    const added = await insertApiKeys(pool, keys);
    if (added.length > 0) logger.info({ added }, 'API keys added');
  } finally {
    await pool.end();
  }
}

/** Makes the stream and the consumer. A consumer that has to be made begins where the database ends. */
export async function prepareBroker(settings: SetupSettings, logger: Logger): Promise<void> {
  const connection = await connectBroker(brokerAddress(settings, 'setup'), { waitForFirst: true });
  const pool = createPool(storeAddress(settings, MIGRATION_MS_MAX));
  try {
    const stream = await ensureStream(connection, {
      name: settings.SEKALI_STREAM,
      subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
      replicas: settings.SEKALI_STREAM_REPLICAS,
      bytesMax: settings.SEKALI_STREAM_BYTES_MAX,
      ageSecondsMax: settings.SEKALI_STREAM_AGE_SECONDS_MAX,
      duplicateWindowMs: settings.SEKALI_DUPLICATE_WINDOW_MS,
    });
    const consumer = await ensureConsumer(
      connection,
      {
        name: settings.SEKALI_CONSUMER,
        stream: settings.SEKALI_STREAM,
        ackWaitMs: settings.SEKALI_ACK_WAIT_MS,
        ackPendingMax: settings.SEKALI_ACK_PENDING_MAX,
      },
      async (incarnation) => (await settledHorizon(pool, await streamIdOf(pool, incarnation))) + 1,
    );
    logger.info({ stream: stream.config.name, consumer: consumer.name }, 'stream and consumer are ready');
  } finally {
    await pool.end();
    await connection.close();
  }
}

function storeAddress(settings: SetupSettings, transactionMsMax: number): StoreAddress {
  return { url: settings.SEKALI_POSTGRES_URL, name: 'sekali-setup', connectionsMax: 2, transactionMsMax };
}
