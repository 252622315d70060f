/** Looking at the durable consumer and its stream on the broker, before pulling and while it goes on. */
import { type ConsumerInfo, type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';

/** Where the durable consumer is. */
export interface DurableConsumerAddress {
  readonly stream: string;
  readonly consumer: string;
  /** Key in the stream's metadata under which whoever made it wrote its identity. */
  readonly identityKey: string;
  /** Prefix of the inboxes that this connection may subscribe to, when it is not `_INBOX`. */
  readonly inboxPrefix?: string;
}

/** The stream, as its leader shows it. */
export interface StreamSight {
  readonly name: string;
  /** Tells it from another stream of the same name. */
  readonly identity: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Name of the broker that leads it, as that of a consumer. */
  readonly leader: string | undefined;
}

/** What was seen. */
export interface ConsumerSight {
  /** Asked for after the consumer, so that a consumer is never ahead of it that is as it should be. */
  readonly stream: StreamSight;
  /** When the consumer was made. */
  readonly created: string;
  /** Messages that no worker has been given yet. */
  readonly pending: number;
  /** The highest sequence that was delivered. */
  readonly deliveredSeq: number;
  /** Up to here everything is acknowledged. */
  readonly ackFloorSeq: number;
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

  /** Asks the broker. @returns `undefined` when there is no such consumer; throws when nobody answers */
  async look(): Promise<ConsumerSight | undefined> {
    const manager = await this.asked();
    const { stream, consumer } = this.address;
    let info: ConsumerInfo;
    try {
      info = await manager.consumers.info(stream, consumer);
    } catch (error) {
      if ((error as { code?: unknown }).code === CONSUMER_NOT_FOUND) return undefined;
      throw error;
    }
    return {
      stream: await this.lookAtStream(manager),
      created: info.created,
      pending: info.num_pending,
      deliveredSeq: info.delivered.stream_seq,
      ackFloorSeq: info.ack_floor.stream_seq,
      ackWaitMs: (info.config.ack_wait ?? 30e9) / 1e6,
      leader: info.cluster?.leader,
    };
  }

  /** When a message was published, as the leader of the stream says; `undefined` when it does not have it. */
  async publishedMs(seq: number): Promise<number | undefined> {
    const message = await (await this.asked()).streams.getMessage(this.address.stream, { seq });
    return message?.time.getTime();
  }

  /**
   * Puts the consumer back, or forward: it delivers the first message at or after a sequence next, and forgets what it
   * delivered before.
   *
   * @throws when the brokers do not do it
   */
  async reset(seq: number): Promise<void> {
    await (await this.asked()).consumers.reset(this.address.stream, this.address.consumer, seq);
  }

  /** Has another broker lead the consumer, if possible one of this name. Throws when the brokers do not do it. */
  async leadFrom(broker: string | undefined): Promise<void> {
    const { stream, consumer } = this.address;
    const request = broker === undefined ? '' : JSON.stringify({ placement: { preferred: broker } });
    const subject = `$JS.API.CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}`;
    await this.connection.request(subject, request, { timeout: ANSWER_MS_MAX });
  }

  private async lookAtStream(manager: JetStreamManager): Promise<StreamSight> {
    const { stream: name, identityKey } = this.address;
    const { config, created, state, cluster } = await manager.streams.info(name);
    const identity = config.metadata?.[identityKey] ?? created;
    return {
      ...{ name, identity, firstSeq: state.first_seq, lastSeq: state.last_seq },
      leader: cluster?.leader,
    };
  }

  private async asked(): Promise<JetStreamManager> {
    this.manager ??= await jetstreamManager(this.connection, { checkAPI: false, timeout: ANSWER_MS_MAX });
    return this.manager;
  }
}
