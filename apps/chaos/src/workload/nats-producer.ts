import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { messageIdOf, subjectOf } from '#contracts';
import { brokerDoors } from '../system/broker-sign-in.js';
import { eventBody } from './event-body.js';
import type { Message } from './message.js';
import { readPublishFailure } from './nats-answer.js';
import { unknown, type Answer, type Producer } from './producer.js';

/** Where it publishes. */
export interface NatsProducerOptions {
  readonly name: string;
  readonly urls: readonly string[];
  /** First token of every subject, `events`. */
  readonly subjectPrefix: string;
  readonly runStartedAtMs: number;
  /** The time limit of an acknowledgement; 5,000 when left out. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5_000;
const CONNECT_MS_MAX = 2_000;
const RECONNECT_WAIT_MS = 250;
const PING_INTERVAL_MS = 2_000;

/**
 * A producer over NATS. It publishes straight to the brokers, one message per operation, one try each.
 *
 * The connection is kept for ever; with the client's defaults it would close for good after ten failed attempts. A
 * publish while it is down ends in its timeout, as *info*.
 */
export class NatsProducer implements Producer {
  readonly via = 'nats';
  readonly name: string;
  private readonly client: JetStreamClient;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly options: NatsProducerOptions,
  ) {
    this.name = options.name;
    this.client = jetstream(connection, { timeout: options.timeoutMs ?? TIMEOUT_MS });
  }

  /** Connects. @throws when no broker answers */
  static async connect(options: NatsProducerOptions): Promise<NatsProducer> {
    const connection = await connect({
      ...brokerDoors(options.urls),
      name: `sekali-chaos ${options.name}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      timeout: CONNECT_MS_MAX,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      noAsyncTraces: true,
    });
    return new NatsProducer(connection, options);
  }

  /** @param messages exactly one */
  async send(messages: readonly Message[]): Promise<Answer> {
    const [message] = messages;
    if (message === undefined || messages.length > 1) throw new RangeError('one message at a time');
    const { subjectPrefix, runStartedAtMs } = this.options;
    const { topic, eventId } = message;
    try {
      // No headers are passed in, because the client writes into those it receives, and an old id in them would lose a
      // message.
      const ack = await this.client.publish(
        subjectOf(subjectPrefix, topic),
        eventBody(message, runStartedAtMs),
        {
          msgID: messageIdOf(topic, eventId),
        },
      );
      if (!Number.isSafeInteger(ack.seq) || ack.seq <= 0) return unknown(1, 'ack without sequence');
      return { messages: [['ok', ack.seq, ack.duplicate ? 1 : 0]], refusedForNow: false };
    } catch (error) {
      return readPublishFailure(error);
    }
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}
