import { nuid, type NatsConnection } from '@nats-io/nats-core';
import { digestedMessageIdOf, messageIdOf, subjectOf, submissionOf } from '#contracts';
import { PubAckSubscription } from './pub-ack-subscription.js';
import type { BrokerWatch } from './broker-watch.js';
import type { EventLedger } from './duplicate-check.js';
import {
  type Publication,
  type PublicationOrigin,
  type PublishJob,
  type PublishOutcome,
  unavailable,
} from './publish-job.js';
import { AtomicBatches } from './atomic-batches.js';
import { PublishTries } from './publish-tries.js';
import { Queue } from './queue.js';
import { beginSend, traceLinesOf } from './send-span.js';

/** Where a publisher publishes, and its bounds. */
export interface PublisherOptions {
  /** The stream, for inspecting a message whose answer was lost. */
  readonly stream: string;
  /** First token of every subject. */
  readonly subjectPrefix: string;
  /** Publishes that wait for the brokers' answer at a time. */
  readonly inFlightMax: number;
  /** Publishes in the queue, beyond those in flight. */
  readonly waitingMax: number;
  /** How long one publish may take, including its time in the queue. */
  readonly budgetMs: number;
  /** Whether events may be sent as atomic batches. The default is true; streams that do not allow it are noticed. */
  readonly atomicBatches?: boolean;
  /** Events in one atomic batch, at most, as the brokers allow. The default is 1,000. */
  readonly atomicBatchMax?: number;
  /**
   * Whether the connection's user may inspect messages of the stream. The default is true; direct producers may not.
   */
  readonly mayInspect?: boolean;
  /** How long one try waits for an answer. The default is 3 s. */
  readonly tryMsMax?: number;
  /** Bytes of all bodies in the queue or in flight, at most. The default is 64 MiB. */
  readonly heldBytesMax?: number;
  /** First tokens of the reply subjects; the client's own default when left out. */
  readonly replyPrefix?: string | undefined;
  /**
   * What the database knows of events beyond the stream. With it, duplicates are inspected (duplicate-check.ts).
   * Without it, only duplicates of other processes are, and an event whose message has left the stream is published
   * again.
   */
  readonly ledger?: EventLedger | undefined;
  /**
   * Gives the secret of the digests in message ids, `undefined` while it is not known. All publishers that have it are
   * trusted with each other's message ids. When this is left out, message ids have no digest, and a repeat with another
   * payload is a duplicate like any other.
   */
  readonly digestSecret?: (() => string | undefined) | undefined;
  /** Notes whether the broker answers, so that the connection can leave one that does not. */
  readonly watch?: Pick<BrokerWatch, 'answered' | 'unanswered'> | undefined;
}

/** What the events of one call have in common. */
type CommonParts = Pick<PublishJob, 'deadline' | 'traceLines'> & Pick<PublicationOrigin, 'door'>;

const DEFAULT_REPLY_PREFIX = '_INBOX';
const TRY_MS_MAX = 3_000;
const HELD_BYTES_MAX = 67_108_864;

/**
 * Publishes events to the stream so that each is there once, and reports the true outcome of each.
 *
 *   publish ─▶ queue ─▶ in flight, alone or in a batch ─▶ accepted | duplicate
 *      │                   │
 *      │ no room           │ batch not taken: each on its own (publish-tries.ts)
 *      ▼                   ▼
 *   unavailable        unavailable (budget spent, stream full)
 *
 * The outcome is `accepted` or `duplicate` only after a quorum of the brokers has the event. It is `duplicate` only
 * while the event is in the stream, or when it was stored. A publish is never dropped silently, and never throws
 * because of the brokers. The queue and the publishes in flight are bounded. `unavailable` does not say that the event
 * is absent, because its answer may have been lost. It says that sending it again with the same id is needed and safe.
 *
 * While a publish is in flight, the queue collects events for one atomic batch (atomic-batches.ts). A single event is
 * sent at once and alone. The more events come, the more of them share one round of the brokers. Databases call this
 * group commit. When the brokers refuse a batch, each of its events is sent alone, with the same id. So a batch is only
 * a shortcut, and no outcome depends on it.
 *
 * There is one publisher per process and connection, and it does not close the connection.
 */
export class Publisher {
  private readonly tries: PublishTries;
  private readonly batches: AtomicBatches | undefined;
  private readonly queue = new Queue<PublishJob>();
  /** Each message id that is on its way. Equal ids at the same moment become one publish. */
  private readonly underway = new Map<string, PublishJob>();
  private inFlight = 0;
  private held = 0;
  private heldBytes = 0;
  private stopAt = Number.POSITIVE_INFINITY;
  private submissions = 0;
  private readonly submissionPrefix = nuid.next().slice(-12);

  constructor(
    connection: NatsConnection,
    private readonly options: PublisherOptions,
  ) {
    const { stream, subjectPrefix, tryMsMax = TRY_MS_MAX, atomicBatches = true, mayInspect = true } = options;
    const { ledger, watch, replyPrefix, digestSecret } = options;
    const hasDigests = digestSecret !== undefined;
    const acks = new PubAckSubscription(connection, replyPrefix, watch);
    const stopAt = (): number => this.stopAt;
    this.tries = new PublishTries(connection, acks, {
      stream,
      subjectPrefix,
      mayInspect,
      tryMsMax,
      stopAt,
      hasDigests,
      knownIdsSubject: hasDigests ? `${replyPrefix ?? DEFAULT_REPLY_PREFIX}.published.${stream}` : undefined,
      ledger,
      watch,
    });
    if (atomicBatches) this.batches = new AtomicBatches(acks, this.tries, options.atomicBatchMax);
  }

  /** How many publishes have not ended yet. */
  get unfinished(): number {
    return this.held;
  }

  /** Publishes one event. It resolves with the outcome and never rejects. */
  async publish(event: Publication): Promise<PublishOutcome> {
    const [outcome] = await this.publishAll([event]);
    return outcome ?? this.noRoom();
  }

  /**
   * Publishes events, or none of them: when they do not all fit into the queue, nothing is sent. Each is then
   * `unavailable` with reason `busy`.
   *
   * @param origin the same for all events
   * @returns the outcomes in the order of the events; never rejects
   */
  async publishAll(
    events: readonly Publication[],
    origin: PublicationOrigin = {},
  ): Promise<PublishOutcome[]> {
    if (events.length === 0) return [];
    const bytes = events.reduce((sum, { body }) => sum + body.length, 0);
    if (!this.hold(events.length, bytes)) return events.map(() => this.noRoom());
    const span = beginSend(this.options.stream, events.length, origin.trace);
    const common = {
      door: origin.door,
      deadline: Date.now() + this.options.budgetMs,
      traceLines: traceLinesOf(span === undefined ? origin.trace : span.trace),
    };
    const outcomes = await new Promise<PublishOutcome[]>((resolve) => {
      const outcomesSoFar = new Array<PublishOutcome>(events.length);
      let left = events.length;
      for (const [index, event] of events.entries()) {
        this.follow(event, common, (outcome) => {
          outcomesSoFar[index] = outcome;
          this.held -= 1;
          if (--left === 0) resolve(outcomesSoFar);
        });
      }
      this.begin();
    });
    this.heldBytes -= bytes;
    span?.end(outcomes);
    return outcomes;
  }

  /**
   * Starts no new publish, and lets the others end.
   *
   * @param timeoutMs after this time, every publish without an answer ends as `unavailable`
   */
  stop(timeoutMs: number): void {
    this.stopAt = Math.min(this.stopAt, Date.now() + timeoutMs);
  }

  private hold(count: number, bytes: number): boolean {
    const { inFlightMax, waitingMax, heldBytesMax = HELD_BYTES_MAX } = this.options;
    if (this.stopAt !== Number.POSITIVE_INFINITY) return false;
    if (this.held + count > inFlightMax + waitingMax) return false;
    // A batch that alone exceeds the limit is let through alone.
    if (this.held > 0 && this.heldBytes + bytes > heldBytesMax) return false;
    this.held += count;
    this.heldBytes += bytes;
    return true;
  }

  private noRoom(): PublishOutcome {
    return unavailable(this.stopAt === Number.POSITIVE_INFINITY ? 'busy' : 'stopping');
  }

  /** Equal ids at the same moment become one publish, because the brokers would refuse all but one of them (10158). */
  private follow(event: Publication, common: CommonParts, resolve: (outcome: PublishOutcome) => void): void {
    const { topic, eventId, body } = event;
    const secret = this.options.digestSecret?.();
    const messageId =
      this.options.digestSecret === undefined
        ? messageIdOf(topic, eventId)
        : digestedMessageIdOf(topic, eventId, body, secret ?? '');
    const first = this.underway.get(messageId);
    if (first === undefined) {
      const subject = subjectOf(this.options.subjectPrefix, topic);
      const isUnforgeable = secret !== undefined;
      const number = (this.submissions += 1).toString(36);
      const submission = submissionOf(common.door, `${this.submissionPrefix}${number}`);
      const job: PublishJob = {
        event,
        subject,
        messageId,
        isUnforgeable,
        deadline: common.deadline,
        traceLines: common.traceLines,
        submission,
        resolve,
        followers: [],
      };
      this.underway.set(messageId, job);
      this.queue.add(job);
      return;
    }
    first.followers.push((outcome) => {
      if (outcome.status !== 'unavailable') resolve({ status: 'duplicate', seq: outcome.seq });
      else if (Date.now() >= Math.min(common.deadline, this.stopAt)) resolve(outcome);
      else this.follow(event, common, resolve);
    });
  }

  /** Sends from the queue as much as may be in flight. It is called when the queue grows and after each answer. */
  private begin(): void {
    while (this.queue.size > 0) {
      const room = this.options.inFlightMax - this.inFlight;
      if (room <= 0) return;
      const hasOthers = this.inFlight > 0 || this.queue.size > 1;
      const batches = hasOthers && this.batches?.isPaused === false ? this.batches : undefined;
      if (batches === undefined) {
        const job = this.queue.take();
        if (job !== undefined) this.sendAlone(job);
      } else if (batches.hasRoom) {
        this.sendBatch(batches, room);
      } else {
        // The queue is sent with the next batch.
        return;
      }
    }
  }

  private sendAlone(job: PublishJob): void {
    this.inFlight += 1;
    this.tries.begin(job, true, (outcome) => {
      this.end(job, outcome);
    });
  }

  private sendBatch(batches: AtomicBatches, room: number): void {
    const jobs: PublishJob[] = [];
    const apart: PublishJob[] = [];
    let bytes = 0;
    while (jobs.length + apart.length < room && jobs.length < batches.sizeMax && bytes < batches.bytesMax) {
      const job = this.queue.take();
      if (job === undefined) break;
      if (batches.isEligible(job)) {
        jobs.push(job);
        bytes += job.event.body.length;
      } else {
        apart.push(job);
      }
    }
    for (const job of apart) this.sendAlone(job);
    if (jobs.length === 0) return;
    this.inFlight += jobs.length;
    batches.send(jobs, (outcomes, isRefused) => {
      for (const [index, job] of jobs.entries()) {
        const outcome = outcomes?.[index];
        if (outcome !== undefined) this.finish(job, outcome);
        else
          this.tries.begin(job, isRefused, (later) => {
            this.end(job, later);
          });
      }
      this.begin();
    });
  }

  private end(job: PublishJob, outcome: PublishOutcome): void {
    this.finish(job, outcome);
    this.begin();
  }

  private finish(job: PublishJob, outcome: PublishOutcome): void {
    this.inFlight -= 1;
    this.underway.delete(job.messageId);
    job.resolve(outcome);
    for (const follower of job.followers) follower(outcome);
  }
}
