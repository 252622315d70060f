import { setTimeout as pause } from 'node:timers/promises';
import type { ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ConsumerState, DeliverySource, SessionEvents, StreamState } from '../delivery-source.js';
import { openApi } from './jetstream-api.js';
import { PullSession } from './pull-session.js';

/** Where the durable consumer is. */
export interface DurableConsumerAddress {
  readonly stream: string;
  readonly consumer: string;
  /** The key of the stream's metadata whose value identifies the stream. */
  readonly identityKey: string;
  /**
   * The first tokens of the reply subjects that this connection may subscribe to. The default is `_INBOX`.
   */
  readonly replyPrefix?: string;
  /** The API prefix of JetStream in this connection's account. The default is `$JS.API`. */
  readonly apiPrefix?: string;
}

/**
 * Learns whether a broker answers, so that the connection can leave one that does not. All users of a
 * connection may share it.
 */
export interface AnswerWatch {
  answered(): void;
  /** @param waitedMs how long the caller waited for the answer, in milliseconds */
  unanswered(waitedMs: number): void;
}

const ANSWER_MS_MAX = 2_000;
const RESET_POLL_MS = 100;
const CONSUMER_NOT_FOUND = 10014;
const NAK = '-NAK';

/** A durable pull consumer, as the brokers report it before and during a session. */
export class DurableConsumer implements DeliverySource {
  private manager: JetStreamManager | undefined;

  /** @param watch learns from each question whether a broker answers */
  constructor(
    private readonly connection: NatsConnection,
    readonly address: DurableConsumerAddress,
    private readonly watch?: AnswerWatch,
  ) {}

  /**
   * Asks the brokers for the state of the consumer and its stream.
   *
   * @returns `undefined` when the consumer does not exist
   * @throws when no broker answers, or when the consumer delivers messages without their bodies: each would
   *   be poison
   */
  async inspect(): Promise<ConsumerState | undefined> {
    const askedMs = performance.now();
    try {
      const state = await this.ask();
      this.answered();
      return state;
    } catch (error) {
      this.watch?.unanswered(performance.now() - askedMs);
      throw error;
    }
  }

  /** Notes that the broker answers, as other traffic shows. */
  answered(): void {
    this.watch?.answered();
  }

  get broker(): string | undefined {
    return this.connection.info?.server_name;
  }

  open(events: SessionEvents): PullSession {
    const { stream, consumer, replyPrefix, apiPrefix } = this.address;
    return new PullSession(this.connection, { stream, consumer, replyPrefix, apiPrefix, ...events });
  }

  async flush(): Promise<void> {
    // The acks of this turn are written when it ends.
    await Promise.resolve();
    if (!this.connection.isClosed()) await this.connection.flush().catch(() => undefined);
  }

  private async ask(): Promise<ConsumerState | undefined> {
    const manager = await this.asked();
    const { stream, consumer } = this.address;
    let info: ConsumerInfo;
    try {
      info = await manager.consumers.info(stream, consumer);
    } catch (error) {
      if ((error as { code?: unknown }).code === CONSUMER_NOT_FOUND) return undefined;
      throw error;
    }
    if (info.config.headers_only === true)
      throw new Error(`consumer ${consumer} delivers headers only, without the bodies: run setup`);
    const { filter_subject: filter, filter_subjects: filters = [] } = info.config;
    return {
      stream: await this.inspectStream(manager),
      created: info.created,
      pending: info.num_pending,
      ackPending: info.num_ack_pending,
      ackFloorSeq: info.ack_floor.stream_seq,
      deliveredSeq: info.delivered.stream_seq,
      deliveryCount: info.delivered.consumer_seq,
      ackWaitMs: (info.config.ack_wait ?? 30e9) / 1e6,
      isFiltered: filter !== undefined || filters.length > 0,
      filters: filter === undefined ? filters : [filter],
      leader: info.cluster?.leader,
    };
  }

  /**
   * Has unsettled messages delivered again at once, whichever process holds them. The broker ignores settled
   * ones, and accepts the number of any delivery.
   *
   * @param state the state of the consumer a moment ago
   * @param except sequences that are left out
   */
  giveBack(firstSeq: number, lastSeq: number, state: ConsumerState, except: ReadonlySet<number>): void {
    const { stream, consumer } = this.address;
    for (let seq = firstSeq; seq <= lastSeq; seq++) {
      if (except.has(seq)) continue;
      this.connection.publish(`$JS.ACK.${stream}.${consumer}.1.${seq}.${state.deliveryCount}.0.0`, NAK);
    }
  }

  /**
   * Returns when a message was published, in milliseconds, or `undefined` when the leader of the stream does
   * not have it.
   */
  async publishedMs(seq: number): Promise<number | undefined> {
    const message = await (await this.asked()).streams.getMessage(this.address.stream, { seq });
    return message?.time.getTime();
  }

  /** Returns the last sequence of the stream, as its leader reports it. */
  async lastSeq(): Promise<number> {
    return (await this.inspectStream(await this.asked())).lastSeq;
  }

  /**
   * Resets the consumer, backward or forward. It then delivers the first message at or after a sequence, and
   * forgets earlier deliveries.
   *
   * @throws when the brokers refuse
   */
  async reset(seq: number): Promise<void> {
    const { stream, consumer } = this.address;
    const { consumers } = await this.asked();
    const before = await consumers.info(stream, consumer);
    let failure: unknown;
    const answer = consumers.reset(stream, consumer, seq).then(
      () => true,
      (error: unknown) => {
        failure = error;
        return false;
      },
    );
    // Between accounts, the answer is lost when the broker that is asked leads the consumer. So the consumer
    // is inspected meanwhile.
    for (;;) {
      const isAnswered = await Promise.race([answer, pause(RESET_POLL_MS)]);
      if (isAnswered === true) return;
      const now = await consumers.info(stream, consumer).catch(() => undefined);
      if (now && wasReset(before, now, seq)) return;
      if (isAnswered === false) throw failure;
    }
  }

  /**
   * Moves the leadership of the consumer to another broker, if possible to the named one. @throws when the
   * brokers refuse
   */
  async leadFrom(broker: string | undefined): Promise<void> {
    const { stream, consumer } = this.address;
    const request = broker === undefined ? '' : JSON.stringify({ placement: { preferred: broker } });
    const subject = `${this.address.apiPrefix ?? '$JS.API'}.CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}`;
    await this.connection.request(subject, request, { timeout: ANSWER_MS_MAX });
  }

  private async inspectStream(manager: JetStreamManager): Promise<StreamState> {
    const { stream: name, identityKey } = this.address;
    const { config, created, state, cluster } = await manager.streams.info(name);
    const identity = config.metadata?.[identityKey] ?? created;
    return {
      ...{ name, identity, firstSeq: state.first_seq, lastSeq: state.last_seq },
      subjects: config.subjects,
      metadata: config.metadata ?? {},
      leader: cluster?.leader,
    };
  }

  private async asked(): Promise<JetStreamManager> {
    this.manager ??= await openApi(this.connection, this.address.apiPrefix, ANSWER_MS_MAX);
    return this.manager;
  }
}

/**
 * A reset restarts the count of deliveries, and mostly moves the position back. No other operation does
 * either.
 */
function wasReset({ delivered: then }: ConsumerInfo, { delivered: now }: ConsumerInfo, seq: number): boolean {
  if (now.consumer_seq < then.consumer_seq || now.stream_seq < then.stream_seq) return true;
  return now.consumer_seq === 0 && now.stream_seq === seq - 1;
}
