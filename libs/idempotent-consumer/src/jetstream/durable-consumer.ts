/** Looking at the durable consumer on the broker, before pulling from it and while it is quiet. */
import { type ConsumerInfo, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';

/** Where the durable consumer is. */
export interface DurableConsumerAddress {
  readonly stream: string;
  readonly consumer: string;
  /** Key in the consumer's metadata under which whoever made it wrote when its stream was made. */
  readonly streamCreatedKey: string;
  /** Prefix of the inboxes that this connection may subscribe to, when it is not `_INBOX`. */
  readonly inboxPrefix?: string;
}

/** What was seen. */
export interface ConsumerSight {
  /** When the stream was made: it tells one making of a stream from the next. */
  readonly streamCreated: string;
  /** When the consumer was made. */
  readonly created: string;
  /** Messages that no worker has been given yet. */
  readonly pending: number;
  readonly ackWaitMs: number;
  /** Name of the broker that leads it, when there is more than one and they have agreed on it. */
  readonly leader: string | undefined;
}

const ANSWER_MS_MAX = 2_000;
const CONSUMER_NOT_FOUND = 10014;

/** A durable pull consumer, seen from outside. */
export class DurableConsumer {
  private manager: JetStreamManager | undefined;

  constructor(
    private readonly connection: NatsConnection,
    readonly address: DurableConsumerAddress,
  ) {}

  /**
   * Asks the broker.
   *
   * @returns `undefined` when there is no such consumer
   * @throws when nobody answers, or the consumer would deliver messages without their bodies: each would be poison
   */
  async look(): Promise<ConsumerSight | undefined> {
    this.manager ??= await jetstreamManager(this.connection, { checkAPI: false, timeout: ANSWER_MS_MAX });
    const { stream, consumer, streamCreatedKey } = this.address;
    let info: ConsumerInfo;
    try {
      info = await this.manager.consumers.info(stream, consumer);
    } catch (error) {
      if ((error as { code?: unknown }).code === CONSUMER_NOT_FOUND) return undefined;
      throw error;
    }
    if (info.config.headers_only === true)
      throw new Error(`consumer ${consumer} delivers headers only, without the bodies: run setup`);
    const streamCreated =
      info.config.metadata?.[streamCreatedKey] ?? (await this.manager.streams.info(stream)).created;
    return {
      streamCreated,
      created: info.created,
      pending: info.num_pending,
      ackWaitMs: (info.config.ack_wait ?? 30e9) / 1e6,
      leader: info.cluster?.leader,
    };
  }
}
