import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connectBroker } from '#broker';
import { readGatewaySettings } from '#config';
import type { Environment } from '../environment/environment.js';

const ANSWER_MS_MAX = 30_000;

/** Reads how many messages the stream holds, and empties it, so that each subject finds it equally full. */
export class StreamGauge {
  private constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly stream: string,
  ) {}

  /** Connects to the brokers of an environment. The caller closes it. */
  static async open(environment: Environment): Promise<StreamGauge> {
    const settings = readGatewaySettings(environment.variables);
    const connection = await connectBroker(
      { urls: settings.SEKALI_NATS_URLS, name: 'stream-gauge' },
      { waitForFirst: true },
    );
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_MS_MAX });
    return new StreamGauge(connection, manager, settings.SEKALI_STREAM);
  }

  /** Messages in the stream. */
  async messages(): Promise<number> {
    return (await this.manager.streams.info(this.stream)).state.messages;
  }

  /** The sequence of the last message, 0 before the first. */
  async lastSequence(): Promise<number> {
    return (await this.manager.streams.info(this.stream)).state.last_seq;
  }

  /** Deliveries that a consumer has not settled yet, including messages not yet delivered. */
  async unsettled(consumer: string): Promise<number> {
    const { num_pending, num_ack_pending } = await this.manager.consumers.info(this.stream, consumer);
    return num_pending + num_ack_pending;
  }

  /** Deletes every message. Sequences continue. */
  async empty(): Promise<void> {
    await this.manager.streams.purge(this.stream);
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}
