/** The app of a gateway: its parts, and what guards them. */
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import type { GatewaySettings } from '#config';
import { PUBLISH_EVENTS_MAX } from '#contracts';
import { NestLogger, type Logger } from '#observability';
import { knownTopics, settledOutcomes } from '#store';
import type { BrokerLink } from './broker-link.js';
import { addressTest, clientOf } from './client-address.js';
import { ConnectionBound } from './connection-bound.js';
import { Bulk } from './dead-letters/bulk.js';
import { DeadLetterReader } from './dead-letters/dead-letter-reader.js';
import { Drops } from './dead-letters/drops.js';
import { Replays } from './dead-letters/replays.js';
import { BulkPublishing } from './elasticsearch/bulk-publishing.js';
import { Descriptions } from './description/descriptions.js';
import { ackFloorOf } from './events/ack-floor.js';
import { EventReader } from './events/event-reader.js';
import { AT_A_TIME, PageRoom } from './events/page-room.js';
import { meetExpectations } from './expectations.js';
import { EventExport } from './export/event-export.js';
import { EventFacets } from './facets/event-facets.js';
import { GatewayModule, type GatewayParts } from './gateway.module.js';
import { ReadinessCheck } from './health/readiness.js';
import { Histograms } from './histogram/histograms.js';
import { isLocal } from './keys/door.js';
import { loggedFailures } from './keys/failed-attempts.js';
import type { Credentials } from './keys/credentials.js';
import type { GatewayProgram } from './metrics/gateway-program.js';
import { LiveEvents } from './live/live-events.js';
import { LiveFeed } from './live/live-feed.js';
import { LogPublishing } from './otlp/log-publishing.js';
import { PageAnswer } from './page/page-answer.js';
import { ProblemFilter } from './problems/problem.filter.js';
import { LinePublishing } from './publish/line-publishing.js';
import { OutcomeWatch } from './publish/outcome-watch.js';
import type { PublishRecord } from './publish/publish-record.js';
import { type EventPublisher, Publishing } from './publish/publishing.js';
import { RequestBodies } from './publish/request-bodies.js';
import { lineBytesMax } from './publish/request-scan.js';
import { SettledAnswer } from './publish/settled-answer.js';
import { TopicBounds } from './publish/topic-bounds.js';
import { protect } from './protections.js';
import type { RequestGate } from './request-gate.js';
import { logAnswers } from './request-log.js';
import { serverOptions } from './server-options.js';
import { forgiveStalls } from './stalls.js';
import type { AgeWatch } from './stats/age-watch.js';
import { Statistics } from './stats/statistics.js';
import { StoryReader } from './story/story-reader.js';
import { SystemState } from './system/system-state.js';
import { traceRequests } from './traces/request-spans.js';
import { WebhookDoor } from './webhooks/webhook-door.js';

function connectionBound(
  settings: GatewaySettings,
  metrics: GatewayProgram,
  logger: Logger,
): ConnectionBound {
  return new ConnectionBound({
    connectionsMax: settings.SEKALI_HTTP_CONNECTIONS_MAX,
    perClientMax: perClientMax(settings),
    isShared: addressTest(settings.SEKALI_HTTP_TRUST_PROXY),
    isPlain: settings.SEKALI_HTTP_TLS_CERT_FILE === undefined,
    onRefused: (count) => {
      metrics.refusedConnections(count);
      logger.warn({ count }, 'connections were refused: a bound of SEKALI_HTTP_CONNECTIONS_… is reached');
    },
  });
}

/** How many connections one client may have. On a developer's machine, every client has the same address. */
export function perClientMax(settings: GatewaySettings): number {
  return isLocal(settings) ? Number.POSITIVE_INFINITY : settings.SEKALI_HTTP_CONNECTIONS_PER_ADDRESS_MAX;
}

/** What a gateway's app is built upon, and who owns it closes it after the app. */
export interface GatewayBase {
  readonly pool: Pool;
  readonly broker: BrokerLink;
  readonly publisher: EventPublisher;
  readonly gate: RequestGate;
  readonly record: PublishRecord;
  readonly ageWatch: AgeWatch;
  readonly metrics: GatewayProgram;
  readonly keys: Pick<Credentials, 'ring' | 'webhookSecrets'>;
}

function requestBodies(settings: GatewaySettings, lineBytes: number): RequestBodies {
  return new RequestBodies(
    settings.SEKALI_BODY_BYTES_MAX,
    settings.SEKALI_HTTP_BODY_BYTES_PER_SECOND_MIN,
    lineBytes,
    (request) => request.access?.keyId ?? clientOf(request.ip),
  );
}

function publishBounds(settings: GatewaySettings): { eventsMax: number; eventBytesMax: number } {
  return {
    // A request that can never fit into the queue is refused for its size, not for the moment.
    eventsMax: Math.min(
      PUBLISH_EVENTS_MAX,
      settings.SEKALI_PUBLISH_IN_FLIGHT_MAX + settings.SEKALI_PUBLISH_WAITING_MAX,
    ),
    eventBytesMax: settings.SEKALI_EVENT_BYTES_MAX,
  };
}

function partsOf(
  settings: GatewaySettings,
  { pool, broker, publisher, gate, record, ageWatch, keys }: GatewayBase,
  logger: Logger,
): GatewayParts {
  const bounds = publishBounds(settings);
  const limits = {
    topicsMax: settings.SEKALI_TOPICS_MAX,
    addedByKeyMax: settings.SEKALI_TOPICS_PER_KEY_MAX,
  };
  const topics = new TopicBounds(limits, async (topicsMax) => knownTopics(pool, topicsMax));
  const pages = new PageRoom();
  const ackFloor = ackFloorOf(broker);
  const publishing = new Publishing(publisher, record, bounds, topics);
  return {
    publishing,
    webhooks: new WebhookDoor({
      secrets: keys.webhookSecrets,
      publishing,
      failed: loggedFailures(logger, 'signature'),
    }),
    lines: new LinePublishing(publisher, record, bounds, topics),
    bulk: new BulkPublishing(publisher, record, bounds, topics),
    settled: settledAnswer(settings, pool, gate),
    logs: new LogPublishing(publisher, record, bounds, topics),
    events: new EventReader(pool, ackFloor, pages),
    live: new LiveEvents(pool, ackFloor, new LiveFeed(pool, ackFloor, gate.closing)),
    exports: new EventExport(pool, ackFloor, new PageRoom(AT_A_TIME)),
    stories: new StoryReader(pool, broker, pages),
    ...deadLetterParts(settings, { pool, broker, topics, pages }),
    histograms: new Histograms(pool, new PageRoom(AT_A_TIME)),
    facets: new EventFacets(pool, new PageRoom(AT_A_TIME)),
    statistics: new Statistics(pool, broker, settings.SEKALI_STREAM, record.duplicates),
    ageWatch,
    readiness: new ReadinessCheck(pool, broker, {
      isStopping: () => gate.isClosing,
      // Every client may ask for it, and an error may name an address or an account.
      showErrors: isLocal(settings),
      subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
    }),
    system: new SystemState(pool, broker),
    descriptions: new Descriptions(settings.SEKALI_SUBJECT_PREFIX),
    page: new PageAnswer(),
  };
}

function settledAnswer({ SEKALI_STREAM }: GatewaySettings, pool: Pool, gate: RequestGate): SettledAnswer {
  return new SettledAnswer(
    new OutcomeWatch((events) => settledOutcomes(pool, SEKALI_STREAM, events), gate.closing),
  );
}

function deadLetterParts(
  settings: GatewaySettings,
  {
    pool: database,
    pages,
    ...parts
  }: Pick<GatewayBase, 'pool' | 'broker'> & { topics: TopicBounds; pages: PageRoom },
): Pick<GatewayParts, 'deadLetters' | 'replays' | 'drops'> {
  const reader = new DeadLetterReader(database, pages);
  const bulk = new Bulk(database);
  const rules = {
    subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
    eventBytesMax: settings.SEKALI_EVENT_BYTES_MAX,
  };
  return {
    deadLetters: reader,
    replays: new Replays({ database, reader, bulk, ...parts }, rules),
    drops: new Drops(database, reader, bulk),
  };
}

/** Replaces some of the parts behind the routes. */
export type PartsChange = (parts: GatewayParts) => GatewayParts;

/** Builds the app with its routes and its protections. It does not listen yet. */
export async function gatewayApp(
  settings: GatewaySettings,
  logger: Logger,
  base: GatewayBase,
  change: PartsChange = (parts) => parts,
): Promise<NestFastifyApplication> {
  const { gate, metrics, keys } = base;
  const module = GatewayModule.over(change(partsOf(settings, base, logger)));
  const adapter = new FastifyAdapter(serverOptions(settings));
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  const server = app.getHttpServer();
  connectionBound(settings, metrics, logger).guard(server);
  forgiveStalls(server);
  meetExpectations(server);
  requestBodies(settings, lineBytesMax(publishBounds(settings))).serve(adapter.getInstance());
  traceRequests(adapter.getInstance());
  metrics.requests(adapter.getInstance());
  logAnswers(adapter.getInstance(), logger);
  gate.guard(adapter.getInstance());
  await protect(adapter.getInstance(), settings, keys.ring, logger);
  app.useGlobalFilters(new ProblemFilter(logger));
  return app;
}
