/**
 * The gateway as a whole: made from settings, started, and stopped in order.
 *
 * Stopping: nobody is let in any more → what was accepted is finished → the counts are written → the connections
 * to brokers and database end. Each step has a bound; together they take less than ten seconds.
 */
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import { brokerAddress } from '#broker';
import type { GatewaySettings } from '#config';
import { PUBLISH_EVENTS_MAX } from '#contracts';
import { NestLogger, type Logger } from '#observability';
import { BrokerDuplicates, createPool } from '#store';
import { BrokerLink } from './broker-link.js';
import { EventReader } from './events/event-reader.js';
import { GatewayModule } from './gateway.module.js';
import { ReadinessCheck } from './health/readiness.js';
import { ProblemFilter } from './problems/problem.filter.js';
import { type EventPublisher, Publishing } from './publish/publishing.js';
import { takeJsonAsText } from './publish/json-body.js';
import { RequestGate } from './request-gate.js';
import { serverOptions } from './server-options.js';
import { Statistics } from './stats/statistics.js';
import { withinMs } from './within.js';

const DATABASE_CONNECTIONS_MAX = 8;
const STATEMENT_MS_MAX = 10_000;
const PUBLISH_MS_LEFT_MAX = 4_000;
const ANSWERS_MS_MAX = 7_500;
const COUNTS_MS_MAX = 1_000;
const CLOSE_MS_MAX = 1_000;

/** Changes what takes events to the brokers: how the judge takes a protection out. */
export type PublisherChange = (publisher: EventPublisher) => EventPublisher;

/** A gateway that listens. */
export class Gateway {
  private stopped: Promise<void> | undefined;

  private constructor(
    /** Where it listens, for example `http://127.0.0.1:8080`. */
    readonly url: string,
    private readonly app: NestFastifyApplication,
    private readonly gate: RequestGate,
    private readonly broker: BrokerLink,
    private readonly pool: Pool,
    private readonly duplicates: BrokerDuplicates,
    private readonly logger: Logger,
  ) {}

  /** Starts listening, whether or not brokers and database answer. Rejects when the address cannot be taken. */
  static async start(
    settings: GatewaySettings,
    logger: Logger,
    change: PublisherChange = (publisher) => publisher,
  ): Promise<Gateway> {
    const pool = createPool({
      url: settings.SEKALI_POSTGRES_URL,
      name: 'sekali-gateway',
      connectionsMax: DATABASE_CONNECTIONS_MAX,
      transactionMsMax: STATEMENT_MS_MAX,
    });
    const broker = new BrokerLink(brokerOptions(settings));
    const gate = new RequestGate();
    const duplicates = new BrokerDuplicates(pool, {
      onError: (error) =>
        logger.warn({ error: String(error) }, 'counts of duplicates could not be written yet'),
    });
    const app = await makeApp(settings, logger, {
      pool,
      broker,
      publisher: change(broker),
      gate,
      duplicates,
    });
    try {
      await app.listen(settings.SEKALI_HTTP_PORT, settings.SEKALI_HTTP_HOST);
    } catch (error) {
      await pool.end();
      throw error;
    }
    void connectBrokers(broker, logger);
    return new Gateway(await app.getUrl(), app, gate, broker, pool, duplicates, logger);
  }

  /** See the head of this file. Repeatable; resolves when everything has ended. */
  async stop(): Promise<void> {
    this.stopped ??= this.end();
    return this.stopped;
  }

  private async end(): Promise<void> {
    const answered = this.gate.close();
    const server = this.app.getHttpServer();
    server.close();
    this.broker.stopPublishing(PUBLISH_MS_LEFT_MAX);
    await this.step('answering', ANSWERS_MS_MAX, answered);
    await this.step('writing counts', COUNTS_MS_MAX, this.duplicates.flush());
    this.duplicates.stop();
    server.closeAllConnections();
    await this.step(
      'closing',
      CLOSE_MS_MAX,
      Promise.all([this.app.close(), this.broker.close(), this.pool.end()]),
    );
  }

  private async step(name: string, msMax: number, work: Promise<unknown>): Promise<void> {
    await withinMs(msMax, work).catch((error: unknown) => {
      this.logger.warn({ step: name, error: String(error) }, 'stopping went on without the end of a step');
    });
  }
}

async function connectBrokers(broker: BrokerLink, logger: Logger): Promise<void> {
  let failures = 0;
  await broker.connect((error) => {
    failures += 1;
    if (failures === 1) logger.warn({ error: String(error) }, 'the brokers do not answer yet');
  });
  logger.info('connected to the brokers');
}

function brokerOptions(settings: GatewaySettings): ConstructorParameters<typeof BrokerLink>[0] {
  return {
    address: brokerAddress(settings, 'sekali-gateway'),
    consumer: settings.SEKALI_CONSUMER,
    publisher: {
      stream: settings.SEKALI_STREAM,
      subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
      inFlightMax: settings.SEKALI_PUBLISH_IN_FLIGHT_MAX,
      waitingMax: settings.SEKALI_PUBLISH_WAITING_MAX,
      budgetMs: settings.SEKALI_PUBLISH_BUDGET_MS,
    },
  };
}

interface Connections {
  readonly pool: Pool;
  readonly broker: BrokerLink;
  readonly publisher: EventPublisher;
  readonly gate: RequestGate;
  readonly duplicates: BrokerDuplicates;
}

async function makeApp(
  settings: GatewaySettings,
  logger: Logger,
  { pool, broker, publisher, gate, duplicates }: Connections,
): Promise<NestFastifyApplication> {
  const bounds = {
    // A request that can never find room among those waiting is refused for its size, not for the moment.
    eventsMax: Math.min(
      PUBLISH_EVENTS_MAX,
      settings.SEKALI_PUBLISH_IN_FLIGHT_MAX + settings.SEKALI_PUBLISH_WAITING_MAX,
    ),
    eventBytesMax: settings.SEKALI_EVENT_BYTES_MAX,
  };
  const module = GatewayModule.over({
    publishing: new Publishing(publisher, duplicates, bounds),
    events: new EventReader(pool, broker),
    statistics: new Statistics(pool, broker, settings.SEKALI_STREAM),
    readiness: new ReadinessCheck(pool, broker, () => gate.isClosing),
  });
  const adapter = new FastifyAdapter(serverOptions(settings.SEKALI_BODY_BYTES_MAX));
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  takeJsonAsText(adapter.getInstance());
  gate.guard(adapter.getInstance());
  app.useGlobalFilters(new ProblemFilter(logger));
  return app;
}
