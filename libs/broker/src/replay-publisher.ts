import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { headers as newHeaders, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import {
  publishFailure,
  type PublishOutcome,
  retryDelayMs,
  SUBMISSION_HEADER,
  unavailable,
} from '#idempotent-consumer/jetstream';
import { pause } from '#waiting';

/** A message that is published again. */
export interface Replay {
  readonly subject: string;
  readonly body: Uint8Array;
  /** The brokers take one message under it, within the duplicate window. */
  readonly messageId: string;
  /** Names and values. Those by which the brokers or a gateway recognised the first message are left out. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

/** Where replays are published, and the bounds. */
export interface ReplayBounds {
  readonly stream: string;
  /** How long one replay is tried, in milliseconds. */
  readonly budgetMs: number;
  /** How long one try waits for an answer. The default is 3 s. */
  readonly tryMsMax?: number;
}

const TRY_MS_MAX = 3_000;
const BROKERS_OWN = /^nats-/i;
const LINE_BREAK = /[\r\n]/;

/**
 * Publishes dead letters again.
 *
 * `Publisher` does not fit. It replaces a message id whose message became a dead letter, because an event must not be
 * swallowed. A replay may become a dead letter again, and its repeat must then publish nothing: the id decides alone.
 */
export class ReplayPublisher {
  private readonly client: JetStreamClient;

  constructor(
    connection: NatsConnection,
    private readonly bounds: ReplayBounds,
  ) {
    this.client = jetstream(connection, { timeout: bounds.tryMsMax ?? TRY_MS_MAX });
  }

  /**
   * Publishes a replay until a quorum of the brokers has it. It never rejects because of the brokers.
   *
   * @returns `accepted`, or `duplicate` when the brokers had the message id; both with the sequence
   */
  async publish({ subject, body, messageId, headers }: Replay): Promise<PublishOutcome> {
    const deadline = Date.now() + this.bounds.budgetMs;
    for (let tries = 1; ; tries++) {
      try {
        const ack = await this.client.publish(subject, body, {
          msgID: messageId,
          // The client writes into the headers, so every try has new ones.
          headers: headersOf(headers),
          expect: { streamName: this.bounds.stream },
          timeout: this.bounds.tryMsMax ?? TRY_MS_MAX,
        });
        return { status: ack.duplicate ? 'duplicate' : 'accepted', seq: ack.seq };
      } catch (error) {
        const failure = publishFailure(error);
        if (!failure.retry) return unavailable(failure.reason);
        const leftMs = deadline - Date.now();
        if (leftMs <= 0) return unavailable('no_answer');
        await pause(Math.min(retryDelayMs(failure.pace, tries), leftMs));
      }
    }
  }
}

function headersOf(given: Replay['headers']): MsgHdrs {
  const headers = newHeaders();
  for (const [name, values] of Object.entries(given)) {
    if (BROKERS_OWN.test(name) || name === SUBMISSION_HEADER) continue;
    for (const value of values) headers.append(name, value.replace(LINE_BREAK, ' '));
  }
  return headers;
}
