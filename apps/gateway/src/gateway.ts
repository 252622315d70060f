import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import { brokerAddress } from '#broker';
import type { GatewaySettings } from '#config';
import { errorText, type Logger } from '#observability';
import { createPool } from '#postgres';
import { areStored, givenUpAmong, givenUpFrom, messageIdSecret, RunningProgram } from '#store';
import { withTimeout } from '#waiting';
import { BrokerLink } from './broker-link.js';
import { gatewayApp, perClientMax, type PartsChange } from './gateway-app.js';
import { Credentials } from './keys/credentials.js';
import type { NoKeyError } from './keys/key-ring.js';
import { GatewayProgram } from './metrics/gateway-program.js';
import { DigestSecret } from './publish/digest-secret.js';
import { PublishRecord } from './publish/publish-record.js';
import type { EventPublisher } from './publish/publishing.js';
import { RequestGate } from './request-gate.js';
import { loggedPublisher } from './request-log.js';
import { AgeWatch } from './stats/age-watch.js';

const DATABASE_CONNECTIONS_MAX = 8;
const STATEMENT_MS_MAX = 10_000;
const PUBLISH_MS_LEFT_MAX = 4_000;
const ANSWERS_MS_MAX = 7_500;
const COUNTS_MS_MAX = 1_000;
const CLOSE_MS_MAX = 1_000;
/** Characters of events that wait for the brokers. Each takes two bytes as text, and up to three more on its way. */
const HELD_CHARS_MAX = 16_777_216;

/** What the judge and the benchmark may change, to remove a protection. */
export interface Sabotage {
  /** Wraps the publisher, which all doors have in common. */
  readonly publisher?: (publisher: EventPublisher) => EventPublisher;
  /** Replaces parts behind the routes, and so what is special to one door. */
  readonly parts?: PartsChange;
  /** Whether message ids have a digest of the payload. Default: they do. */
  readonly hasDigests?: boolean;
}

/** What the starter of a gateway may change. */
export interface GatewayChanges extends Sabotage {
  /** Called when keys are required, and the database's first answer after the start contains none. */
  readonly onNoKey?: (error: NoKeyError) => void;
}

/** A gateway that listens. */
export class Gateway {
  private stopped: Promise<void> | undefined;

  private constructor(
    /** The address where it listens, for example `http://127.0.0.1:8080`. */
    readonly url: string,
    private readonly app: NestFastifyApplication,
    private readonly gate: RequestGate,
    private readonly broker: BrokerLink,
    private readonly pool: Pool,
    private readonly keys: Credentials,
    private readonly digestSecret: DigestSecret,
    private readonly record: PublishRecord,
    private readonly ageWatch: AgeWatch,
    private readonly metrics: GatewayProgram,
    private readonly program: RunningProgram,
    private readonly logger: Logger,
  ) {}

  /**
   * Starts listening, whether or not brokers and database answer. Where keys are required, no client is admitted before
   * the database has returned them.
   *
   * @throws when the address cannot be taken; `NoKeyError` when keys are required and there is none
   */
  static async start(
    settings: GatewaySettings,
    logger: Logger,
    { onNoKey = () => undefined, ...sabotage }: GatewayChanges = {},
  ): Promise<Gateway> {
    const keys = new Credentials(settings, logger, onNoKey);
    await keys.open();
    try {
      return await Gateway.listen(settings, logger, keys, sabotage);
    } catch (error) {
      await keys.close();
      throw error;
    }
  }

  private static async listen(
    settings: GatewaySettings,
    logger: Logger,
    keys: Credentials,
    { publisher: wrapped = (publisher) => publisher, parts, hasDigests = true }: Sabotage,
  ): Promise<Gateway> {
    const pool = createPool({
      url: settings.SEKALI_POSTGRES_URL,
      name: 'sekali-gateway',
      connectionsMax: DATABASE_CONNECTIONS_MAX,
      transactionMsMax: STATEMENT_MS_MAX,
    });
    const gate = new RequestGate({
      requestsMax: settings.SEKALI_HTTP_CONNECTIONS_MAX,
      perClientMax: perClientMax(settings),
    });
    const metrics = new GatewayProgram(settings, pool);
    const digestSecret = new DigestSecret(() => messageIdSecret(pool));
    const digests = hasDigests ? digestSecret : undefined;
    const broker = new BrokerLink(brokerOptions(settings, pool, digests, logger));
    const record = new PublishRecord(pool, settings.SEKALI_STREAM, logger);
    const ageWatch = new AgeWatch(broker, logger);
    const publisher = loggedPublisher(metrics.publisher(wrapped(broker)), logger);
    const base = { pool, broker, ageWatch, publisher, metrics, gate, record, keys };
    const app = await gatewayApp(settings, logger, base, parts);
    try {
      await metrics.serve({ database: pool, broker, duplicates: record.duplicates }, logger);
      await app.listen(settings.SEKALI_HTTP_PORT, settings.SEKALI_HTTP_HOST);
    } catch (error) {
      metrics.close();
      await pool.end();
      throw error;
    }
    // The first events would otherwise have message ids of their own.
    void digestSecret.open().then(() => connectBrokers(broker, logger));
    ageWatch.start();
    const program = runningProgram(pool, broker, logger);
    program.start();
    const url = await app.getUrl();
    const owned = [broker, pool, keys, digestSecret, record, ageWatch, metrics, program] as const;
    return new Gateway(url, app, gate, ...owned, logger);
  }

  /**
   * Stops the gateway in order.
   *
   * It refuses new requests → finishes what it accepted → writes the counts → closes the connections to brokers and
   * database. Each step has a bound, and all of them take less than ten seconds.
   *
   * It is repeatable, and resolves when everything has ended.
   */
  async stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  private async end(): Promise<void> {
    const answered = this.gate.close();
    const server = this.app.getHttpServer();
    server.close();
    this.ageWatch.stop();
    this.digestSecret.close();
    this.metrics.close();
    this.broker.stopPublishing(PUBLISH_MS_LEFT_MAX);
    await this.step('answering', ANSWERS_MS_MAX, answered);
    await this.step('writing counts', COUNTS_MS_MAX, Promise.all([this.record.flush(), this.program.stop()]));
    this.record.stop();
    server.closeAllConnections();
    await this.step(
      'closing',
      CLOSE_MS_MAX,
      Promise.all([this.app.close(), this.broker.close(), this.pool.end(), this.keys.close()]),
    );
  }

  private async step(name: string, msMax: number, work: Promise<unknown>): Promise<void> {
    await withTimeout(msMax, work).catch((error: unknown) => {
      this.logger.warn(
        { step: name, error: errorText(error) },
        'a step of stopping did not end in time; the next one follows',
      );
    });
  }
}

function runningProgram(pool: Pool, broker: BrokerLink, logger: Logger): RunningProgram {
  return new RunningProgram(pool, {
    kind: 'gateway',
    figures: () => broker.activity,
    onOutage: (error) => {
      logger.info({ error: errorText(error) }, 'that this gateway runs could not be written yet');
    },
  });
}

async function connectBrokers(broker: BrokerLink, logger: Logger): Promise<void> {
  let failures = 0;
  await broker.connect((error) => {
    failures += 1;
    if (failures === 1) logger.warn({ error: errorText(error) }, 'the brokers do not answer yet');
  });
  logger.info('connected to the brokers');
}

function brokerOptions(
  settings: GatewaySettings,
  pool: Pool,
  digestSecret: DigestSecret | undefined,
  logger: Logger,
): ConstructorParameters<typeof BrokerLink>[0] {
  return {
    onMoved: (failingMs, broker) => {
      logger.warn(
        { failingMs: Math.round(failingMs), broker },
        'the broker did not answer; the connection was moved to another one',
      );
    },
    address: brokerAddress(settings, 'sekali-gateway'),
    consumer: settings.SEKALI_CONSUMER,
    publisher: {
      stream: settings.SEKALI_STREAM,
      subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
      inFlightMax: settings.SEKALI_PUBLISH_IN_FLIGHT_MAX,
      waitingMax: settings.SEKALI_PUBLISH_WAITING_MAX,
      budgetMs: settings.SEKALI_PUBLISH_BUDGET_MS,
      heldBytesMax: HELD_CHARS_MAX,
      atomicBatches: settings.SEKALI_PUBLISH_ATOMIC_BATCH === 'true',
      atomicBatchMax: settings.SEKALI_PUBLISH_ATOMIC_BATCH_MAX,
      replyPrefix: settings.SEKALI_NATS_REPLY_PREFIX,
      digestSecret: digestSecret && (() => digestSecret.current),
      ledger: {
        givenUpFrom: (seq, limit) => givenUpFrom(pool, settings.SEKALI_STREAM, seq, limit),
        givenUpAmong: (seqs) => givenUpAmong(pool, settings.SEKALI_STREAM, seqs),
        stored: (events) => areStored(pool, events),
      },
    },
  };
}
