import { jetstream, type JetStreamClient, type JetStreamManager, type PubAck } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { decodeEvent, messageIdOf, type RawMessage, SUBMISSION_HEADER } from '#contracts';
import { pause } from '#waiting';
import { type Ack, type PubAckSubscription } from './pub-ack-subscription.js';
import type { BrokerWatch } from './broker-watch.js';
import { DuplicateCheck, type EventLedger, type SentEvent } from './duplicate-check.js';
import { jetStreamApi } from './jetstream-api.js';
import { messageHeaders } from './message-headers.js';
import { isUnanswered, publishFailure, retryDelayMs } from './publish-failure.js';
import { type PublishJob, type PublishOutcome, unavailable } from './publish-job.js';
import { RecentSequences } from './recent-sequences.js';

/** Where to publish, and the bounds of the tries. */
export interface TryBounds {
  readonly stream: string;
  readonly subjectPrefix: string;
  /** Whether this user may inspect a message. Without that right, the brokers alone decide what is a duplicate. */
  readonly mayInspect: boolean;
  /** How long one try waits for an answer. */
  readonly tryMsMax: number;
  /** When every try ends, on the clock of `Date.now()`; it may move closer. */
  readonly stopAt: () => number;
  /** What the database knows of events beyond the stream. */
  readonly ledger?: EventLedger | undefined;
  /** Notes whether the broker answers. */
  readonly watch?: Pick<BrokerWatch, 'answered' | 'unanswered'> | undefined;
}

const LAST_TRY_MS_MIN = 100;
const INSPECT_MS_MAX = 2_000;

/**
 * Takes one event to its outcome, by as many tries as it needs.
 *
 *   first ─ack──────────────────────────▶ accepted
 *     └─anything else─▶ goOn ─inspect──▶ duplicate | accepted (our own try, whose answer was lost)
 *                        │ ▲ └─refused─▶ unavailable
 *                        ├─┘ wait, same id again, until the deadline
 *                        └─ a duplicate of a lost message: again, under a new message id
 *
 * The brokers compare message ids only. Any message that was published under an event's id would swallow the event.
 * That holds even for one that is not JSON or has another id in its body. So the first message is inspected, unless
 * this process published it. If it is another event, this one is published under a new message id.
 *
 * A message that has left the stream, or became a dead letter, swallows its event in the same way (duplicate-check.ts).
 * The new id derives from the sequence of the lost message. So all repeats of an event together add only one message
 * per lost message.
 *
 * A try whose answer was lost may have stored the event. The next try then gets the answer "duplicate" about our own
 * message. The submission header distinguishes the two, so that duplicates are counted exactly.
 */
export class PublishTries {
  private readonly client: JetStreamClient;
  private manager: Promise<JetStreamManager> | undefined;
  /** What this process published recently. Those messages need no inspection. */
  private readonly own = new RecentSequences();
  private readonly duplicates: DuplicateCheck;

  constructor(
    private readonly connection: NatsConnection,
    private readonly acks: PubAckSubscription,
    private readonly bounds: TryBounds,
  ) {
    this.client = jetstream(connection, { timeout: bounds.tryMsMax });
    this.duplicates = new DuplicateCheck(() => this.leader(), bounds.stream, bounds.ledger);
  }

  /** Whether this process has recently published the message id, so that it is certainly a duplicate. */
  isOwn(messageId: string): boolean {
    return this.own.sequenceOf(messageId) !== undefined;
  }

  /** The outcome of an event that the brokers took. */
  accepted(job: PublishJob, seq: number): PublishOutcome {
    this.own.add(job.messageId, seq);
    return { status: 'accepted', seq };
  }

  /** Starts the first try. @param end called once with the outcome, never before this returns */
  first(job: PublishJob, end: (outcome: PublishOutcome) => void): void {
    const goOn = (answer?: Ack | Error): void => {
      void this.goOn(job, answer).then(end);
    };
    const leftMs = this.leftMs(job);
    if (leftMs <= 0) {
      goOn();
      return;
    }
    const { subject, messageId, event, submission } = job;
    try {
      const message = { subject, body: event.body, headers: messageHeaders(messageId, submission) };
      this.acks.send([message], this.tryMs(leftMs), (answer) => {
        if (answer instanceof Error) goOn(answer);
        else if (!answer.duplicate) end(this.accepted(job, answer.seq));
        else if (this.isSurelyOwn(messageId, answer.seq)) end({ status: 'duplicate', seq: answer.seq });
        else goOn(answer);
      });
    } catch (error) {
      goOn(asError(error));
    }
  }

  /** How long a try of a job may wait for its answer. It is not positive when there is no time left. */
  tryMsOf(job: PublishJob): number {
    const leftMs = this.leftMs(job);
    return leftMs <= 0 ? leftMs : this.tryMs(leftMs);
  }

  /** @param begun the answer to the first try; left out when there was no time for one */
  private async goOn(job: PublishJob, begun?: Ack | Error): Promise<PublishOutcome> {
    let { messageId } = job;
    let answer = begun;
    for (let tries = 1; ; tries += 1) {
      const leftMs = this.leftMs(job);
      if (answer instanceof Error) {
        const failure = publishFailure(answer);
        if (!failure.retry) return unavailable(failure.reason);
        await pause(Math.min(retryDelayMs(failure.pace, tries), Math.max(0, leftMs)));
        answer = undefined;
        continue;
      }
      if (leftMs <= 0) return unavailable(this.bounds.stopAt() < job.deadline ? 'stopping' : 'no_answer');
      try {
        // The client's own publish also notices that publishing is not permitted.
        answer ??= await this.again(job, messageId, this.tryMs(leftMs));
        const first = answer.duplicate ? await this.firstOf(job, answer.seq) : 'this';
        if (first === 'this') return this.accepted(job, answer.seq);
        if (await this.isKept(job, answer.seq, first)) return { status: 'duplicate', seq: answer.seq };
        messageId = `${job.messageId}#${first === 'another' ? job.submission : answer.seq}`;
        answer = undefined;
      } catch (error) {
        answer = asError(error);
      }
    }
  }

  private isSurelyOwn(messageId: string, seq: number): boolean {
    return this.own.sequenceOf(messageId) === seq && this.duplicates.isSurelyKept(seq);
  }

  /** Whether the message that came first is this event, and is kept. */
  private async isKept(
    { event: { topic, eventId } }: PublishJob,
    seq: number,
    first: 'same' | 'gone' | 'another',
  ): Promise<boolean> {
    const sent: SentEvent = { topic, eventId, seq };
    if (first === 'another') return false;
    return first === 'gone' ? this.duplicates.isStored(sent) : this.duplicates.isKept(sent);
  }

  private async again(job: PublishJob, messageId: string, timeout: number): Promise<PubAck> {
    const { watch } = this.bounds;
    const sentMs = performance.now();
    try {
      const headers = messageHeaders(messageId, job.submission);
      const ack = await this.client.publish(job.subject, job.event.body, { headers, timeout });
      watch?.answered();
      return ack;
    } catch (error) {
      if (isUnanswered(error)) watch?.unanswered(performance.now() - sentMs);
      else watch?.answered();
      throw error;
    }
  }

  /**
   * What the brokers have under the message id: this very submission, the same event from before, no message any more,
   * or another event. It throws when no broker answers, and the try is then repeated.
   */
  private async firstOf(job: PublishJob, seq: number): Promise<'this' | 'same' | 'gone' | 'another'> {
    if (!this.bounds.mayInspect || this.own.sequenceOf(job.messageId) === seq) return 'same';
    const manager = await this.leader();
    const stored = await manager.streams.getMessage(this.bounds.stream, { seq }).catch((error: unknown) => {
      if (publishFailure(error).retry) throw error;
      // A producer that may only publish may not inspect messages. The message id decides then.
      return 'not-permitted' as const;
    });
    if (stored === 'not-permitted') return 'same';
    // The message has left the stream, by age or by hand.
    if (stored === null) return 'gone';
    if (stored.header.get(SUBMISSION_HEADER) === job.submission) return 'this';
    const theirs = this.identityOf({
      subject: stored.subject,
      data: stored.data,
      header: (name) => stored.header.get(name) || undefined,
    });
    const ours = this.identityOf({
      subject: job.subject,
      data: Buffer.from(job.event.body),
      header: () => job.messageId,
    });
    const isSame = ours === undefined || ours === theirs;
    return isSame ? 'same' : 'another';
  }

  /** Queries go to the leader, because a replica may not have the message yet. */
  private async leader(): Promise<JetStreamManager> {
    this.manager ??= jetStreamApi(this.connection, INSPECT_MS_MAX);
    return this.manager;
  }

  private identityOf(message: RawMessage): string | undefined {
    const decoded = decodeEvent(message, this.bounds.subjectPrefix, Number.POSITIVE_INFINITY);
    return decoded.ok ? messageIdOf(decoded.event.topic, decoded.event.eventId) : undefined;
  }

  private leftMs(job: PublishJob): number {
    return Math.min(job.deadline, this.bounds.stopAt()) - Date.now();
  }

  private tryMs(leftMs: number): number {
    return Math.max(LAST_TRY_MS_MIN, Math.min(this.bounds.tryMsMax, leftMs));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
