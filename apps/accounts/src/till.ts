/**
 * The till: the producing side of the accounts.
 *
 *   POST /payments ─▶ one transaction: the payment and its event ─▶ relay ─▶ stream ─▶ balances
 *
 * It listens on this machine alone, because its clients need no key.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Pool } from 'pg';
import type { AccountsSettings } from '#config';
import { EventPublisher, OutboxRelay, StreamEventPublisher } from '#idempotent-consumer/producer';
import { type Logger, NestLogger } from '#observability';
import { paymentOutbox } from './payment-outbox.js';
import { PaymentsController, POOL } from './payments.controller.js';
import { relayLog } from './relay-log.js';

const HOST = '127.0.0.1';
const BODY_BYTES_MAX = 16_384;
const REQUEST_MS_MAX = 10_000;
const CONNECTIONS_MAX = 100;

/** Connections of the pool for requests, and the one of the relay. */
export const TILL_CONNECTIONS = 5;

/**
 * Starts the till, on a connection and a pool that the caller closes after it.
 *
 * @param port 0 takes a free one
 */
export async function startTill(
  settings: AccountsSettings,
  port: number,
  connection: NatsConnection,
  pool: Pool,
  logger: Logger,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  @Module({
    controllers: [PaymentsController],
    providers: [
      { provide: POOL, useValue: pool },
      {
        provide: EventPublisher,
        useFactory: () =>
          new StreamEventPublisher({
            connection,
            stream: settings.SEKALI_STREAM,
            subjectPrefix: settings.SEKALI_SUBJECT_PREFIX,
            replyPrefix: settings.SEKALI_NATS_REPLY_PREFIX,
            source: 'accounts',
          }),
      },
      {
        provide: OutboxRelay,
        inject: [EventPublisher],
        useFactory: (publisher: EventPublisher) =>
          new OutboxRelay({ pool, outbox: paymentOutbox, publisher, observe: relayLog(logger) }),
      },
    ],
  })
  class TillModule {}
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: 'idle',
  });
  const app = await NestFactory.create<NestFastifyApplication>(TillModule, adapter, {
    logger: new NestLogger(logger),
  });
  app.getHttpServer().maxConnections = CONNECTIONS_MAX;
  await app.listen(port, HOST);
  return { url: await app.getUrl(), close: () => app.close() };
}
