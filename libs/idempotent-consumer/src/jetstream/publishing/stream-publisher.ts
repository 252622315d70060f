import type { JetStreamManager } from '@nats-io/jetstream';
import { nuid, type NatsConnection } from '@nats-io/nats-core';
import { AtomicBatches } from './atomic-batches.js';
import { BROKERS_DECIDE, type DuplicateJudge } from './duplicate-judge.js';
import { OrderedPublishing } from './ordered-publishing.js';
import { PubAckSubscription } from './pub-ack-subscription.js';
import {
  type PublishJob,
  type PublishOrigin,
  type PublishOutcome,
  type PublishRequest,
  unavailable,
} from './publish-job.js';
import type { PublishWatch } from './publish-watch.js';
import { PublishTries } from './publish-tries.js';
import { Queue } from './queue.js';
import type { TraceContext } from '../../trace-context.js';
import { beginSend, type SendSpan, traceLinesOf } from './send-span.js';

/** Where a publisher publishes, and its bounds. */
export interface StreamPublisherOptions<R extends PublishRequest> {
  /** The stream, for inspecting a message whose answer was lost. */
  readonly stream: string;
  /** JetStream's API, for inspecting messages. Without it, the brokers alone decide what is a duplicate. */
  readonly manager?: (() => Promise<JetStreamManager>) | undefined;
  /** Publishes that wait for the brokers' answer at a time. */
  readonly inFlightMax: number;
  /** Publishes in the queue, beyond those in flight. */
  readonly waitingMax: number;
  /** How long one publish may take, including its time in the queue. */
  readonly budgetMs: number;
  /** Whether events may be sent as atomic batches. The default is true; streams that do not allow it are noticed. */
  readonly atomicBatches?: boolean | undefined;
  /** Events in one atomic batch, at most, as the brokers allow. The default is 1,000. */
  readonly atomicBatchMax?: number | undefined;
  /** How long one try waits for an answer. The default is 3 s. */
  readonly tryMsMax?: number | undefined;
  /** Bytes of all bodies in the queue or in flight, at most. The default is 64 MiB. */
  readonly heldBytesMax?: number | undefined;
  /** First tokens of the reply subjects; the client's own default when left out. */
  readonly replyPrefix?: string | undefined;
  /** What knows more of repeats than the brokers. By default they decide alone, and no message id changes. */
  readonly judge?: DuplicateJudge<R> | undefined;
  /** Notes whether the broker answers, so that the connection can leave one that does not. */
  readonly watch?: PublishWatch | undefined;
}

/** What the messages of one call have in common. */
interface CommonParts
  extends Pick<PublishJob, 'deadline' | 'traceLines'>, Pick<PublishOrigin, 'submissionOf'> {
  /** Whether a message that has a trace of its own keeps it. */
  readonly keepsTraces: boolean;
}

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
 * when the brokers have its message id, and the judge agrees. A publish is never dropped silently, and never throws
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
export class StreamPublisher<R extends PublishRequest = PublishRequest> {
  private readonly acks: PubAckSubscription;
  private readonly tries: PublishTries<R>;
  private readonly batches: AtomicBatches<R> | undefined;
  private readonly queue = new Queue<PublishJob<R>>();
  /** Each message id that is on its way. Equal ids at the same moment become one publish. */
  private readonly underway = new Map<string, PublishJob<R>>();
  private readonly waiting: (() => void)[] = [];
  private inFlight = 0;
  private held = 0;
  private heldBytes = 0;
  private stopAt = Number.POSITIVE_INFINITY;
  private submissions = 0;
  private readonly submissionPrefix = nuid.next().slice(-12);

  constructor(
    connection: NatsConnection,
    private readonly options: StreamPublisherOptions<R>,
  ) {
    const { stream, manager, tryMsMax = TRY_MS_MAX, atomicBatches = true } = options;
    const { judge = BROKERS_DECIDE, watch, replyPrefix } = options;
    const acks = new PubAckSubscription(connection, replyPrefix, watch);
    this.acks = acks;
    const stopAt = (): number => this.stopAt;
    this.tries = new PublishTries(connection, acks, {
      stream,
      manager,
      tryMsMax,
      stopAt,
      judge,
      watch,
    });
    if (atomicBatches) this.batches = new AtomicBatches(acks, this.tries, options.atomicBatchMax);
  }

  /** How many publishes have not ended yet. */
  get unfinished(): number {
    return this.held;
  }

  private get isStopping(): boolean {
    return this.stopAt !== Number.POSITIVE_INFINITY;
  }

  /** Publishes one event. It resolves with the outcome and never rejects. */
  async publish(request: R): Promise<PublishOutcome> {
    const [outcome] = await this.publishAll([request]);
    return outcome ?? this.noRoom();
  }

  /**
   * Publishes events, or none of them: when they do not all fit into the queue, nothing is sent. Each is then
   * `unavailable` with reason `busy`.
   *
   * @param origin the same for all events
   * @returns the outcomes in the order of the events; never rejects
   */
  async publishAll(events: readonly R[], origin: PublishOrigin = {}): Promise<PublishOutcome[]> {
    if (events.length === 0) return [];
    const bytes = events.reduce((sum, { body }) => sum + body.length, 0);
    if (!this.hold(events.length, bytes)) return events.map(() => this.noRoom());
    const span = beginSend(this.options.stream, events, origin.trace);
    const common = this.commonParts(origin, span);
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
    this.release(bytes);
    span?.end(outcomes);
    return outcomes;
  }

  /**
   * Publishes messages so that those of one subject are in the stream in the order given (ordered-publishing.ts). When one
   * is not taken, those of its subject behind it are not sent. Other calls at the same time are not part of that order.
   *
   * @param trace that of messages without one
   * @returns the outcomes in the order of the messages, `behind` for those not sent; never rejects
   */
  async publishInOrder(requests: readonly R[], trace?: TraceContext): Promise<(PublishOutcome | 'behind')[]> {
    if (requests.length === 0) return [];
    const bytes = requests.reduce((sum, { body }) => sum + body.length, 0);
    if (!this.hold(requests.length, bytes)) return requests.map(() => this.noRoom());
    const span = beginSend(this.options.stream, requests, trace);
    const common = this.commonParts({ trace }, span);
    const jobs = requests.map((request) => this.jobOf(request, common, () => undefined));
    const outcomes = await new OrderedPublishing(this.tries, this.batches).publish(jobs);
    this.held -= requests.length;
    this.release(bytes);
    span?.end(outcomes.filter((outcome) => outcome !== 'behind'));
    return outcomes;
  }

  /** Resolves when no publish is under way. */
  async ended(): Promise<void> {
    if (this.held > 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /**
   * Starts no new publish, and lets the others end.
   *
   * @param timeoutMs after this time, every publish without an answer ends as `unavailable`
   */
  stop(timeoutMs: number): void {
    this.stopAt = Math.min(this.stopAt, Date.now() + timeoutMs);
    if (this.held === 0) this.acks.close();
  }

  private hold(count: number, bytes: number): boolean {
    const { inFlightMax, waitingMax, heldBytesMax = HELD_BYTES_MAX } = this.options;
    if (this.isStopping) return false;
    if (this.held + count > inFlightMax + waitingMax) return false;
    // A batch that alone exceeds the limit is let through alone.
    if (this.held > 0 && this.heldBytes + bytes > heldBytesMax) return false;
    this.held += count;
    this.heldBytes += bytes;
    return true;
  }

  private release(bytes: number): void {
    this.heldBytes -= bytes;
    if (this.held > 0) return;
    // The connection lives on, and may get other publishers.
    if (this.isStopping) this.acks.close();
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private noRoom(): PublishOutcome {
    return unavailable(this.isStopping ? 'stopping' : 'busy');
  }

  /** Equal ids at the same moment become one publish, because the brokers would refuse all but one of them (10158). */
  private follow(request: R, common: CommonParts, resolve: (outcome: PublishOutcome) => void): void {
    const { messageId } = request;
    const first = this.underway.get(messageId);
    if (first === undefined) {
      const job = this.jobOf(request, common, resolve);
      this.underway.set(messageId, job);
      this.queue.add(job);
      return;
    }
    first.followers.push((outcome) => {
      if (outcome.status !== 'unavailable') resolve({ status: 'duplicate', seq: outcome.seq });
      else if (Date.now() >= Math.min(common.deadline, this.stopAt)) resolve(outcome);
      else this.follow(request, common, resolve);
    });
  }

  private commonParts({ trace, submissionOf }: PublishOrigin, span: SendSpan | undefined): CommonParts {
    const deadline = Date.now() + this.options.budgetMs;
    const traceLines = traceLinesOf(span === undefined ? trace : span.trace);
    return { deadline, submissionOf, traceLines, keepsTraces: span?.isChildOfAll !== true };
  }

  private jobOf(
    request: R,
    { deadline, traceLines: common, keepsTraces, submissionOf = (id) => id }: CommonParts,
    resolve: (outcome: PublishOutcome) => void,
  ): PublishJob<R> {
    const submission = submissionOf(`${this.submissionPrefix}${(this.submissions += 1).toString(36)}`);
    const traceLines = keepsTraces && request.trace !== undefined ? traceLinesOf(request.trace) : common;
    return { request, deadline, traceLines, submission, resolve, followers: [] };
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

  private sendAlone(job: PublishJob<R>): void {
    this.inFlight += 1;
    this.tries.begin(job, true, (outcome) => {
      this.end(job, outcome);
    });
  }

  private sendBatch(batches: AtomicBatches<R>, room: number): void {
    const jobs: PublishJob<R>[] = [];
    const apart: PublishJob<R>[] = [];
    let bytes = 0;
    while (jobs.length + apart.length < room && jobs.length < batches.sizeMax && bytes < batches.bytesMax) {
      const job = this.queue.take();
      if (job === undefined) break;
      if (batches.isEligible(job)) {
        jobs.push(job);
        bytes += job.request.body.length;
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

  private end(job: PublishJob<R>, outcome: PublishOutcome): void {
    this.finish(job, outcome);
    this.begin();
  }

  private finish(job: PublishJob<R>, outcome: PublishOutcome): void {
    this.inFlight -= 1;
    this.underway.delete(job.request.messageId);
    job.resolve(outcome);
    for (const follower of job.followers) follower(outcome);
  }
}
