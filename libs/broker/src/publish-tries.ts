import { jetstream, type JetStreamClient, type JetStreamManager, type PubAck } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { decodeEvent, messageIdOf, type RawMessage, SUBMISSION_HEADER } from '#contracts';
import { pause } from '#waiting';
import { type Ack, type PubAckSubscription } from './pub-ack-subscription.js';
import type { BrokerWatch } from './broker-watch.js';
import { DuplicateCheck, type EventLedger, type SentEvent } from './duplicate-check.js';
import { jetStreamApi } from './jetstream-api.js';
import { KnownIds } from './known-ids.js';
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
  /** Whether message ids have a digest of the payload. */
  readonly hasDigests: boolean;
  /** Where gateways tell each other what they published. Without it, a publisher knows only its own. */
  readonly knownIdsSubject?: string | undefined;
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
 *   begin ─ack──────────────────────────▶ accepted
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
 *
 * The inspection costs a request to the leader for each repeat. It is left out where its result is certain. The message
 * id cannot be forged, so the message is this event. This was the first try, so it is an earlier submission. Whether the
 * message is kept is still decided by `DuplicateCheck`.
 */
export class PublishTries {
  private readonly client: JetStreamClient;
  private manager: Promise<JetStreamManager> | undefined;
  /** What this process published recently. Those messages need no inspection. */
  private readonly own = new RecentSequences();
  private readonly known: KnownIds | undefined;
  private readonly duplicates: DuplicateCheck;

  constructor(
    private readonly connection: NatsConnection,
    private readonly acks: PubAckSubscription,
    private readonly bounds: TryBounds,
  ) {
    this.client = jetstream(connection, { timeout: bounds.tryMsMax });
    this.duplicates = new DuplicateCheck(() => this.leader(), bounds.stream, bounds.ledger);
    if (bounds.knownIdsSubject !== undefined) this.known = new KnownIds(connection, bounds.knownIdsSubject);
  }

  /** Whether the message id was recently published, by this process or another gateway, so that it is a duplicate. */
  isKnown(messageId: string): boolean {
    return this.own.sequenceOf(messageId) !== undefined || this.known?.has(messageId) === true;
  }

  /** The outcome of an event that the brokers took. */
  accepted(job: PublishJob, seq: number): PublishOutcome {
    this.own.add(job.messageId, seq);
    this.known?.add(job.messageId);
    return { status: 'accepted', seq };
  }

  /**
   * Starts to publish an event alone.
   *
   * @param isFirst whether no earlier try can have stored it
   * @param end called once with the outcome, never before this returns
   */
  begin(job: PublishJob, isFirst: boolean, end: (outcome: PublishOutcome) => void): void {
    const isPlain = isFirst && job.isUnforgeable;
    const goOn = (answer?: Ack | Error): void => {
      void this.goOn(job, answer, isPlain).then(end);
    };
    const leftMs = this.leftMs(job);
    if (leftMs <= 0) {
      goOn();
      return;
    }
    const { subject, messageId, event } = job;
    try {
      const message = { subject, body: event.body, headers: messageHeaders(messageId, job) };
      this.acks.send([message], this.tryMs(leftMs), (answer) => {
        if (answer instanceof Error) goOn(answer);
        else if (!answer.duplicate) end(this.accepted(job, answer.seq));
        else if (this.isSurelyKept(job, answer.seq, isPlain)) end({ status: 'duplicate', seq: answer.seq });
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

  /**
   * @param begun the answer to the first try; left out when there was no time for one
   * @param isPlain whether `begun`, if it says "duplicate", can only mean the same event from before
   */
  private async goOn(
    job: PublishJob,
    begun: Ack | Error | undefined,
    isPlain: boolean,
  ): Promise<PublishOutcome> {
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
        const isSurelySame = isPlain && answer === begun;
        const first = answer.duplicate ? await this.firstOf(job, answer.seq, isSurelySame) : 'this';
        if (first === 'this') return this.accepted(job, answer.seq);
        if (await this.isKept(job, answer.seq, first)) return { status: 'duplicate', seq: answer.seq };
        messageId = `${job.messageId}#${first === 'another' ? job.submission : answer.seq}`;
        answer = undefined;
      } catch (error) {
        answer = asError(error);
      }
    }
  }

  private isSurelyKept({ messageId }: PublishJob, seq: number, isPlain: boolean): boolean {
    return (isPlain || this.own.sequenceOf(messageId) === seq) && this.duplicates.isSurelyKept(seq);
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
      const headers = messageHeaders(messageId, job);
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
  private async firstOf(
    job: PublishJob,
    seq: number,
    isSurelySame: boolean,
  ): Promise<'this' | 'same' | 'gone' | 'another'> {
    if (isSurelySame || !this.bounds.mayInspect || this.own.sequenceOf(job.messageId) === seq) return 'same';
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
    if (!decoded.ok) return undefined;
    const { topic, eventId, payload } = decoded.event;
    // Where the message id has a digest, the same id with another payload is another event.
    return messageIdOf(topic, eventId) + (this.bounds.hasDigests ? `\n${payload}` : '');
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
