/** The two halves of the preparation. Each waits for Postgres or the brokers, then creates what is missing. */
import {
  currentIncarnation,
  type DifferingHistory,
  type Incarnation,
  isSameHistory,
} from '#idempotent-consumer/postgres';
import type { SetupSettings } from '#config';
import {
  brokerAddress,
  connectBroker,
  type ConsumerInfo,
  differencesText,
  ensureConsumer,
  ensureStream,
  isPause,
  type OnDifferences,
  resetConsumer,
  streamIdentity,
  type StreamInfo,
  StreamWitness,
} from '#broker';
import { errorText, type Logger } from '#observability';
import { createPool, isLockTimeout, isUnavailable, type PostgresAddress } from '#postgres';
import {
  beginConsumer,
  consumerStart,
  createDataSource,
  ensurePartitions,
  grantRights,
  indexRules,
  insertApiKeys,
  knownIdentity,
  noteConsumerStart,
  noteStoreLoss,
  type Queryable,
  refuseOtherEncoding,
  retentionRules,
  runMigrations,
  SEKALI_LEDGER,
  STORE_INBOX,
  writeIndexRules,
  writeRetentionRules,
  writeRowAges,
} from '#store';
import { retry } from '#waiting';
import { BacklogGuard } from './backlog-guard.js';
import { readKeyFile } from './key-file.js';

const WAIT_MS_MAX = 60_000;
const RETRY_MS = 500;
/** A migration may rewrite a table; this bounds one that hangs. */
const MIGRATION_MS_MAX = 1_800_000;

type BrokerConnection = Awaited<ReturnType<typeof connectBroker>>;

/**
 * Runs the migrations, grants the programs' roles their rights, and creates the partitions of the coming days. It also
 * writes the rules of retention and of indexes, and adds the API keys of the file that the settings name. Two setups that
 * run at once wait for each other.
 *
 * @throws SettingsError when that file is wrong; nothing has been changed
 * @throws EncodingError when the database is not in UTF-8; nothing has been changed
 * @throws GrantsError when roles of the programs exist, and another role owns the schema
 * @throws TextIndexError when rules ask for indexes of texts, and the server cannot have them
 */
export async function prepareDatabase(settings: SetupSettings, logger: Logger): Promise<void> {
  const keys = readKeyFile(settings.SEKALI_API_KEYS_FILE);
  const address = storeAddress(settings, MIGRATION_MS_MAX);
  await retry(() => migrate(address, logger), {
    forMs: WAIT_MS_MAX,
    everyMs: RETRY_MS,
    isPassing: isUnavailable,
    onFailure: (error) => {
      logger.info({ reason: errorText(error) }, 'waiting for Postgres');
    },
  });
  const pool = createPool(address);
  try {
    const granted = await grantRights(pool);
    if (granted.length > 0) logger.info({ granted }, 'rights of the programs brought up to date');
    await createPartitions(pool, logger);
    const rules = await writeRetentionRules(pool, retentionRules(settings.SEKALI_RETENTION));
    if (rules !== undefined) logger.info({ rules }, 'rules of retention brought up to date');
    await writeRowAges(pool, {
      duplicate: settings.SEKALI_RETENTION_DUPLICATES_DAYS,
      conflict: settings.SEKALI_RETENTION_CONFLICTS_DAYS,
      dead_letter: settings.SEKALI_RETENTION_DEAD_LETTERS_DAYS,
      id: settings.SEKALI_RETENTION_IDS_DAYS,
    });
    const indexes = await writeIndexRules(pool, indexRules(settings.SEKALI_INDEXES));
    if (indexes !== undefined) logger.info({ rules: indexes }, 'rules of indexes brought up to date');
    const added = await insertApiKeys(pool, keys);
    if (added.length > 0) logger.info({ added }, 'API keys added');
  } finally {
    await pool.end();
  }
}

async function migrate(address: PostgresAddress, logger: Logger): Promise<void> {
  const dataSource = await createDataSource(address);
  try {
    await dataSource.initialize();
    await refuseOtherEncoding(dataSource);
    const applied = await runMigrations(dataSource, (error) => {
      logger.warn(
        { reason: errorText(error) },
        'another session holds a table that a migration needs; trying again',
      );
    });
    logger.info({ applied }, applied.length > 0 ? 'schema migrated' : 'schema is current');
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}

/**
 * A backup that reads the tables for hours must not delay the start. Workers create partitions as well, a week ahead.
 */
async function createPartitions(pool: Parameters<typeof ensurePartitions>[0], logger: Logger): Promise<void> {
  try {
    const created = await ensurePartitions(pool);
    if (created.length > 0) logger.info({ created }, 'partitions created');
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    logger.warn(
      { reason: errorText(error) },
      'another session holds the event table; workers will create the partitions',
    );
  }
}

/**
 * Creates the stream and the consumer, or brings them up to date. A new consumer begins where the database ends.
 *
 * @throws BacklogError when the settings would lose messages that are not stored yet
 * @throws DefinitionError when an existing stream or consumer differs, and setup cannot or may not correct it
 */
export async function prepareBroker(settings: SetupSettings, logger: Logger): Promise<void> {
  const connection = await connectBroker(brokerAddress(settings, 'setup'), { waitForFirst: true });
  const pool = createPool(storeAddress(settings, MIGRATION_MS_MAX));
  try {
    const streamDefinition = {
      name: settings.SEKALI_STREAM,
      subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
      replicas: settings.SEKALI_STREAM_REPLICAS,
      bytesMax: settings.SEKALI_STREAM_BYTES_MAX,
      ageSecondsMax: settings.SEKALI_STREAM_AGE_SECONDS_MAX,
      duplicateWindowMs: settings.SEKALI_DUPLICATE_WINDOW_MS,
      eventBytesMax: settings.SEKALI_EVENT_BYTES_MAX,
      consumers: [settings.SEKALI_CONSUMER],
    };
    const onDifferences = reportDifferences(logger);
    const guard = new BacklogGuard(connection, pool, settings);
    await guard.refuseRenaming();
    const witness = new StreamWitness(connection, settings.SEKALI_STREAM);
    const stream = await ensureStream(connection, streamDefinition, {
      adopt: (existing) => adoptIdentity(pool, existing, witness),
      permit: (existing) => guard.otherRules(existing),
      onDifferences,
    });
    const key = { name: settings.SEKALI_STREAM, identity: streamIdentity(stream) };
    const incarnation = await currentIncarnation(pool, SEKALI_LEDGER, key, witness, {
      onDiffering: reportDiffering(logger),
    });
    const definition = {
      name: settings.SEKALI_CONSUMER,
      stream: settings.SEKALI_STREAM,
      ackWaitMs: settings.SEKALI_ACK_WAIT_MS,
      ackPendingMax: settings.SEKALI_ACK_PENDING_MAX,
    };
    const consumer = await ensureConsumer(
      connection,
      definition,
      (_stream, firstSeq) => beginConsumer(pool, incarnation, STORE_INBOX, firstSeq),
      onDifferences,
    );
    await putBack(connection, pool, incarnation, consumer, witness, logger);
    logger.info({ stream: stream.config.name, consumer: consumer.name }, 'stream and consumer are ready');
  } finally {
    await pool.end();
    await connection.close();
  }
}

/** Logs changes that were made by hand and are undone. A pause is only logged, because an operator will end it. */
function reportDifferences(logger: Logger): OnDifferences {
  return (subject, differences) => {
    const text = differencesText(differences);
    if (differences.every(isPause)) {
      logger.warn({ differences: text }, `${subject} is paused: nothing is stored until the pause ends`);
    } else {
      logger.warn({ differences: text }, `${subject} differed from its definition; it was corrected`);
    }
  };
}

/** Puts a consumer that would miss messages back at once, because no worker may be running. */
async function putBack(
  connection: BrokerConnection,
  pool: Queryable,
  incarnation: Incarnation,
  { name, stream_name: stream, delivered, ack_floor: ackFloor }: ConsumerInfo,
  witness: StreamWitness,
  logger: Logger,
): Promise<void> {
  const position = { deliveredSeq: delivered.stream_seq, ackFloorSeq: ackFloor.stream_seq };
  const start = await consumerStart(
    pool,
    incarnation,
    STORE_INBOX,
    { ...position, stream: await witness.bounds() },
    witness,
  );
  if (start === undefined) return;
  const { seq, loss } = start;
  if (loss !== undefined) {
    await noteStoreLoss(pool, STORE_INBOX, incarnation.streamId, loss);
    logger.error({ ...loss }, 'the database went back in time: messages that were acknowledged have no row');
  }
  await resetConsumer(connection, { name, stream }, seq);
  await noteConsumerStart(pool, incarnation, STORE_INBOX, seq);
  logger.warn({ consumer: name, seq }, 'the consumer was put back: it delivers again from here on');
}

/**
 * Returns the identity of a stream that was created before streams had one. It is known by the instant of its creation,
 * which the brokers may have changed. Then the messages show whether it is the stream that the database knows.
 */
async function adoptIdentity(pool: Queryable, stream: StreamInfo, witness: StreamWitness): Promise<string> {
  const { name } = stream.config;
  const identity = await knownIdentity(pool, name, stream.created);
  if (identity === stream.created) return identity;
  const { registry, datedTables: tables } = SEKALI_LEDGER;
  const incarnation = await registry.of(pool, { name, identity });
  return (await isSameHistory(pool, { tables, incarnation }, witness)) ? identity : stream.created;
}

/** Logs that a stream has lost messages. Setup continues, and no action is needed. */
function reportDiffering(logger: Logger): (found: DifferingHistory) => void {
  return (found) => {
    logger.error(
      { ...found },
      'the stream has lost messages that the database has: registering a new incarnation; what follows them is read again',
    );
  };
}

function storeAddress(settings: SetupSettings, transactionMsMax: number): PostgresAddress {
  return { url: settings.SEKALI_POSTGRES_URL, name: 'sekali-setup', connectionsMax: 2, transactionMsMax };
}
