/** Looking at the durable consumer and its stream on the broker, before pulling and while it goes on. */
import { setTimeout as pause } from 'node:timers/promises';
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
  /** What the account of this connection calls JetStream's API, when it is not `$JS.API`. */
  readonly apiPrefix?: string;
}

/** Who hears whether a broker answers, so that the connection can leave one that does not. May be shared by all on it. */
export interface AnswerWatch {
  answered(): void;
  /** @param waitedMs how long the answer was waited for */
  unanswered(waitedMs: number): void;
}

/** The stream, as its leader shows it. */
export interface StreamSight {
  readonly name: string;
  /** Tells it from another stream of the same name. */
  readonly identity: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly subjects: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
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
  /** Deliveries that nobody has settled. */
  readonly ackPending: number;
  /** Up to here every message is settled. */
  readonly ackFloorSeq: number;
  /** The last message that was delivered, and the number of that delivery. */
  readonly deliveredSeq: number;
  readonly deliveryCount: number;
  readonly ackWaitMs: number;
  /** Whether it is given a part of the stream only. */
  readonly isFiltered?: boolean;
  /** Name of the broker that leads it, when there is more than one and they have agreed on it. */
  readonly leader: string | undefined;
}

const ANSWER_MS_MAX = 2_000;
const RESET_LOOK_MS = 100;
const CONSUMER_NOT_FOUND = 10014;
const NAK = '-NAK';

/** A durable pull consumer, seen from outside. */
export class DurableConsumer {
  private manager: JetStreamManager | undefined;

  constructor(
    private readonly connection: NatsConnection,
    readonly address: DurableConsumerAddress,
    private readonly watch?: AnswerWatch,
  ) {}

  /**
   * Asks the broker.
   *
   * @returns `undefined` when there is no such consumer
   * @throws when nobody answers, or the consumer would deliver messages without their bodies: each would be poison
   */
  async look(): Promise<ConsumerSight | undefined> {
    const askedMs = performance.now();
    try {
      const sight = await this.ask();
      this.answered();
      return sight;
    } catch (error) {
      this.watch?.unanswered(performance.now() - askedMs);
      throw error;
    }
  }

  /** Says that the broker answers: for whoever has it from something else than a question. */
  answered(): void {
    this.watch?.answered();
  }

  private async ask(): Promise<ConsumerSight | undefined> {
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
    return {
      stream: await this.lookAtStream(manager),
      created: info.created,
      pending: info.num_pending,
      ackPending: info.num_ack_pending,
      ackFloorSeq: info.ack_floor.stream_seq,
      deliveredSeq: info.delivered.stream_seq,
      deliveryCount: info.delivered.consumer_seq,
      ackWaitMs: (info.config.ack_wait ?? 30e9) / 1e6,
      isFiltered: info.config.filter_subject !== undefined || (info.config.filter_subjects ?? []).length > 0,
      leader: info.cluster?.leader,
    };
  }

  /**
   * Has messages delivered again at once, whoever they were delivered to. What is settled is left alone by the broker, and it
   * takes the number of any delivery that it made.
   *
   * @param sight what was seen of the consumer a moment ago
   * @param except what is left out
   */
  giveBack(firstSeq: number, lastSeq: number, sight: ConsumerSight, except: ReadonlySet<number>): void {
    const { stream, consumer } = this.address;
    for (let seq = firstSeq; seq <= lastSeq; seq++) {
      if (except.has(seq)) continue;
      this.connection.publish(`$JS.ACK.${stream}.${consumer}.1.${seq}.${sight.deliveryCount}.0.0`, NAK);
    }
  }

  /** When a message was published, as the leader of the stream says; `undefined` when it does not have it. */
  async publishedMs(seq: number): Promise<number | undefined> {
    const message = await (await this.asked()).streams.getMessage(this.address.stream, { seq });
    return message?.time.getTime();
  }

  /** The last sequence of the stream, as its leader says. */
  async lastSeq(): Promise<number> {
    return (await this.lookAtStream(await this.asked())).lastSeq;
  }

  /**
   * Puts the consumer back, or forward: it delivers the first message at or after a sequence next, and forgets what it
   * delivered before.
   *
   * @throws when the brokers do not do it
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
    // Between accounts, the answer is lost where the broker that is asked leads the consumer. So it is looked meanwhile.
    for (;;) {
      const isAnswered = await Promise.race([answer, pause(RESET_LOOK_MS)]);
      if (isAnswered === true) return;
      const now = await consumers.info(stream, consumer).catch(() => undefined);
      if (now && wasReset(before, now, seq)) return;
      if (isAnswered === false) throw failure;
    }
  }

  /** Has another broker lead the consumer, if possible one of this name. Throws when the brokers do not do it. */
  async leadFrom(broker: string | undefined): Promise<void> {
    const { stream, consumer } = this.address;
    const request = broker === undefined ? '' : JSON.stringify({ placement: { preferred: broker } });
    const subject = `${this.address.apiPrefix ?? '$JS.API'}.CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}`;
    await this.connection.request(subject, request, { timeout: ANSWER_MS_MAX });
  }

  private async lookAtStream(manager: JetStreamManager): Promise<StreamSight> {
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
    const { apiPrefix } = this.address;
    this.manager ??= await jetstreamManager(this.connection, {
      checkAPI: false,
      timeout: ANSWER_MS_MAX,
      ...(apiPrefix !== undefined && { apiPrefix }),
    });
    return this.manager;
  }
}

/** A reset begins the count of deliveries again, and mostly moves the position back; nothing else does. */
function wasReset({ delivered: then }: ConsumerInfo, { delivered: now }: ConsumerInfo, seq: number): boolean {
  if (now.consumer_seq < then.consumer_seq || now.stream_seq < then.stream_seq) return true;
  return now.consumer_seq === 0 && now.stream_seq === seq - 1;
}
