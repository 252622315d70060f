import type { NatsConnection } from '@nats-io/nats-core';
import { type BrokerAddress, BrokerWatch, MovableConnection, Publisher, type PublishOutcome } from '#broker';
import { pause } from '#waiting';
import { CommandError, errorLine } from '../command-error.js';
import {
  type OutgoingEvent,
  type Producer,
  type ProducerPatience,
  resendDelayMs,
  SendLedger,
  type SendOutcome,
} from '../producer.js';
import { withoutPassword } from '../target.js';

const TRY_BUDGET_MS = 18_000;

/** Where and how fast to publish. */
export interface NatsProducerOptions extends ProducerPatience {
  readonly address: BrokerAddress;
  readonly stream: string;
  readonly subjectPrefix: string;
  /** Events that wait for the brokers at a time. */
  readonly inFlightMax: number;
  /** Events that are handed over at a time, at most. */
  readonly waitingMax: number;
}

/**
 * A producer that publishes events straight to the brokers, as a producer in any language could.
 *
 * The publisher of `#broker` tries each event for its budget. What it could not publish is published again with the
 * same message id, until the producer's patience ends.
 */
export class NatsProducer implements Producer {
  private constructor(
    private readonly connection: NatsConnection,
    private readonly publisher: Publisher,
    private readonly patience: ProducerPatience,
  ) {}

  /** @throws `CommandError` (2) when no broker answers */
  static async connect(options: NatsProducerOptions): Promise<NatsProducer> {
    try {
      const movable = await MovableConnection.open(options.address, { waitForFirst: false });
      const { connection } = movable;
      const publisher = new Publisher(connection, {
        stream: options.stream,
        subjectPrefix: options.subjectPrefix,
        inFlightMax: options.inFlightMax,
        waitingMax: options.waitingMax,
        replyPrefix: options.address.replyPrefix,
        watch: new BrokerWatch(movable),
        mayInspect: false,
        budgetMs: Math.min(TRY_BUDGET_MS, Math.max(1_000, options.giveUpMs)),
      });
      return new NatsProducer(connection, publisher, options);
    } catch (error) {
      throw new CommandError(
        `no broker answers at ${withoutPassword(options.address.urls)} (${errorLine(error)}): is the system running? --nats names another`,
        2,
        { cause: error },
      );
    }
  }

  async send(events: readonly OutgoingEvent[]): Promise<SendOutcome> {
    const ledger = new SendLedger();
    const deadline = Date.now() + this.patience.giveUpMs;
    let left = events;
    for (let tries = 1; ; tries++) {
      const outcomes = await this.publisher.publishAll(left.map(publication));
      left = left.filter((event, index) => !take(ledger, event, outcomes[index]));
      if (left.length === 0) return ledger.outcome(0);
      await pause(Math.min(resendDelayMs(tries, undefined), deadline - Date.now()), this.patience.signal);
      if (this.patience.signal.aborted || Date.now() >= deadline) return ledger.outcome(left.length);
      ledger.resends += left.length;
    }
  }

  async close(): Promise<void> {
    await this.connection.close();
  }
}

/** @returns whether the event is settled, accepted or refused */
function take(ledger: SendLedger, event: OutgoingEvent, outcome: PublishOutcome | undefined): boolean {
  if (!outcome) return false;
  if (outcome.status === 'unavailable') {
    if (outcome.retryable) return false;
    ledger.refused.push({ eventId: event.event_id, reason: outcome.reason });
    return true;
  }
  ledger.accepted++;
  if (outcome.status === 'duplicate') ledger.duplicates++;
  return true;
}

/** The body has the event's own id. The message id may differ, and only the brokers read it. */
function publication(event: OutgoingEvent): { topic: string; eventId: string; body: string } {
  const { topic, event_id, timestamp, source, payload, messageIdSuffix = '' } = event;
  return {
    topic,
    eventId: `${event_id}${messageIdSuffix}`,
    body: JSON.stringify({ topic, event_id, timestamp, source, payload }),
  };
}
