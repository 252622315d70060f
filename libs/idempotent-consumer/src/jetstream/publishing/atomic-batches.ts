import { errors, nuid } from '@nats-io/nats-core';
import type { Ack, PubAckSubscription } from './pub-ack-subscription.js';
import { messageHeaders } from './message-headers.js';
import type { PublishJob, PublishOutcome, PublishRequest } from './publish-job.js';
import { mayBeStored } from './publish-failure.js';
import type { PublishTries } from './publish-tries.js';

/** The brokers take at most this many messages in one batch. */
const MESSAGES_MAX = 1_000;
const BYTES_MAX = 4_194_304;
/** A larger message is published on its own, and refused on its own if it is too large. */
const MESSAGE_BYTES_MAX = 262_144;
/**
 * While this many batches are under way, new events gather for the next one. The brokers take 50 at a time per stream.
 */
const UNDERWAY_MAX = 2;
const PAUSE_MS = 25;
const PAUSE_MS_MAX = 3_200;

/**
 * Publishes several events as one atomic batch, which the brokers take as a whole or not at all (nats-server 2.12,
 * ADR-50).
 *
 *   active ─taken─▶ active          active ─not taken─▶ paused (for twice as long each time) ─▶ active
 *
 * The brokers refuse a whole batch when they already have one of its messages, and they do not say which one. So a
 * batch leaves out every event that is known to be a repeat. After a refusal no batch is sent for a while.
 * When many events repeat those of other processes, publishing each on its own is faster.
 */
export class AtomicBatches<R extends PublishRequest> {
  readonly sizeMax: number;
  readonly bytesMax = BYTES_MAX;
  private underway = 0;
  private pausedUntil = 0;
  private pauseMs = PAUSE_MS;

  constructor(
    private readonly acks: PubAckSubscription,
    private readonly tries: PublishTries<R>,
    sizeMax = MESSAGES_MAX,
  ) {
    this.sizeMax = Math.min(sizeMax, MESSAGES_MAX);
  }

  /** Whether a refusal was so recent that no batch is sent yet. */
  get isPaused(): boolean {
    return performance.now() < this.pausedUntil;
  }

  /** Whether one more batch may be sent now. */
  get hasRoom(): boolean {
    return this.underway < UNDERWAY_MAX;
  }

  /** Whether a job may be part of a batch. */
  isEligible(job: PublishJob<R>): boolean {
    return (
      job.request.body.length <= MESSAGE_BYTES_MAX &&
      !this.tries.isKnown(job.request.messageId) &&
      this.tries.tryMsOf(job) > 0
    );
  }

  /**
   * Sends jobs with different message ids, `sizeMax` at most.
   *
   * @param end called once, never before this returns. It gets the outcomes in order, or `undefined` when nothing is
   *   known of any job. Each job then has to be published on its own. `isRefused` says that nothing was stored.
   */
  send(
    jobs: readonly PublishJob<R>[],
    end: (outcomes: PublishOutcome[] | undefined, isRefused: boolean) => void,
  ): void {
    this.underway += 1;
    const onAnswer = (answer: Ack | Error): void => {
      this.underway -= 1;
      const isTaken = !(answer instanceof Error) && answer.count === jobs.length;
      this.pace(isTaken);
      // The brokers number the messages in order, without a gap.
      end(
        isTaken
          ? jobs.map((job, index) => this.tries.accepted(job, answer.seq - jobs.length + 1 + index))
          : undefined,
        answer instanceof Error && !mayBeStored(answer),
      );
    };
    const batch = nuid.next();
    const timeoutMs = Math.min(...jobs.map((job) => this.tries.tryMsOf(job)));
    try {
      const messages = jobs.map((job, index) => ({
        subject: job.request.subject,
        body: job.request.body,
        headers: messageHeaders(job.request.messageId, job, {
          batch,
          number: index + 1,
          isLast: index === jobs.length - 1,
        }),
      }));
      this.acks.send(messages, timeoutMs, onAnswer);
    } catch (error) {
      queueMicrotask(() => {
        onAnswer(error instanceof Error ? error : new errors.ConnectionError(String(error)));
      });
    }
  }

  private pace(isTaken: boolean): void {
    if (isTaken) {
      this.pauseMs = PAUSE_MS;
      return;
    }
    this.pausedUntil = performance.now() + this.pauseMs;
    this.pauseMs = Math.min(PAUSE_MS_MAX, this.pauseMs * 2);
  }
}
