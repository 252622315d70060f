/** What the brokers have under a stream's sequences, for a comparison with the database. */
import type { NatsConnection } from '@nats-io/nats-core';
import { JetStreamWitness } from '#idempotent-consumer/jetstream';
import { apiPrefixOf } from './jetstream-api.js';

/** Answers questions about one stream, on a connection of `connectBroker`'s. */
export class StreamWitness extends JetStreamWitness {
  constructor(connection: NatsConnection, stream: string) {
    super(connection, stream, apiPrefixOf(connection));
  }
}
