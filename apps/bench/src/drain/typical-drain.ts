/**
 * The typical way to drain: a Nest microservice whose handler runs one `INSERT … ON CONFLICT DO NOTHING` per event.
 *
 * It is a favourable form of the typical way. It has no validation and no ORM, it has a pool of connections, and it
 * handles many messages at once.
 */
import 'reflect-metadata';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, type MicroserviceOptions, Payload } from '@nestjs/microservices';
import type { Pool } from 'pg';
import { connectBroker } from '#broker';
import { readWorkerSettings } from '#config';
import { createPool } from '#postgres';
import { INSERT_ONE, type PlainEvent } from './plain-table.js';
import { TypicalTransport } from './typical-transport.js';

const POOL = Symbol('pool');

const settings = readWorkerSettings();
const pool = createPool({
  url: settings.SEKALI_POSTGRES_URL,
  name: 'typical-drain',
  connectionsMax: 10,
  transactionMsMax: 60_000,
});

@Controller()
class EventController {
  constructor(@Inject(POOL) private readonly database: Pool) {}

  @EventPattern('#')
  async store(@Payload() event: PlainEvent): Promise<void> {
    const { topic, event_id, source, timestamp, payload } = event;
    await this.database.query(INSERT_ONE, [topic, event_id, source, timestamp, payload]);
  }
}

@Module({ controllers: [EventController], providers: [{ provide: POOL, useValue: pool }] })
class TypicalModule {}

const connection = await connectBroker(
  { urls: settings.SEKALI_NATS_URLS, name: 'typical-drain' },
  { waitForFirst: true },
);
const transport = new TypicalTransport(connection, {
  stream: settings.SEKALI_STREAM,
  consumer: settings.SEKALI_CONSUMER,
});
const app = await NestFactory.createMicroservice<MicroserviceOptions>(TypicalModule, {
  strategy: transport,
  logger: ['error'],
});
for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
  process.once(signal, () => {
    void app.close().finally(() => process.exit(0));
  });
}
await app.listen();
process.send?.({ type: 'ready' });
