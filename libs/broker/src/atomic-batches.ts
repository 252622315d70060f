import { errors, nuid } from '@nats-io/nats-core';
import type { Ack, PubAckSubscription } from './pub-ack-subscription.js';
import { messageHeaders } from './message-headers.js';
import type { PublishJob, PublishOutcome } from './publish-job.js';
import type { PublishTries } from './publish-tries.js';

/** The brokers take no more in one. */
const MESSAGES_MAX = 1_000;
const BYTES_MAX = 4_194_304;
/** A larger message goes by itself, and is refused by itself if it is too large. */
const MESSAGE_BYTES_MAX = 262_144;
/** While so many are under way what comes gathers for the next one. The brokers take 50 of a stream at a time. */
const UNDERWAY_MAX = 2;
const PAUSE_MS = 25;
const PAUSE_MS_MAX = 3_200;

/**
 * Events sent together, which the brokers take all or not at all: an atomic batch (nats-server 2.12, ADR-50).
 *
 *   wanted ─taken─▶ wanted          wanted ─not taken─▶ not wanted for a while (doubling) ─▶ wanted
 *
 * One message of a batch that the brokers have already (a repeat) has them refuse all of it, and does not say which. So
 * whatever this process knows to be a repeat is kept out, and after a refusal nothing is sent together for a while:
 * with many repeats of other processes' events each is better sent by itself.
 */
export class AtomicBatches {
  readonly sizeMax: number;
  readonly bytesMax = BYTES_MAX;
  private underway = 0;
  private pausedUntil = 0;
  private pauseMs = PAUSE_MS;

  constructor(
    private readonly acks: PubAckSubscription,
    private readonly tries: PublishTries,
    sizeMax = MESSAGES_MAX,
  ) {
    this.sizeMax = Math.min(sizeMax, MESSAGES_MAX);
  }

  /** Whether sending together is worth a try now. */
  get isPaused(): boolean {
    return performance.now() < this.pausedUntil;
  }

  /** Whether one more batch may be sent now. */
  get hasRoom(): boolean {
    return this.underway < UNDERWAY_MAX;
  }

  /** Whether a job may be sent with others. */
  isEligible(job: PublishJob): boolean {
    return (
      job.event.body.length <= MESSAGE_BYTES_MAX &&
      !this.tries.isOwn(job.messageId) &&
      this.tries.tryMsOf(job) > 0
    );
  }

  /**
   * Sends jobs of different message ids, `sizeMax` at most.
   *
   * @param end called once, never before this returns: with the outcomes in order, or without when nothing is known of
   *   any of them and each has to be tried by itself
   */
  send(jobs: readonly PublishJob[], end: (outcomes: PublishOutcome[] | undefined) => void): void {
    this.underway += 1;
    const onAnswer = (answer: Ack | Error): void => {
      this.underway -= 1;
      const isTaken = !(answer instanceof Error) && answer.count === jobs.length;
      this.pace(isTaken);
      // The brokers number them in order, without a gap.
      end(
        isTaken
          ? jobs.map((job, index) => this.tries.accepted(job, answer.seq - jobs.length + 1 + index))
          : undefined,
      );
    };
    const batch = nuid.next();
    const timeoutMs = Math.min(...jobs.map((job) => this.tries.tryMsOf(job)));
    try {
      const messages = jobs.map((job, index) => ({
        subject: job.subject,
        body: job.event.body,
        headers: messageHeaders(job.messageId, job.submission, {
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
