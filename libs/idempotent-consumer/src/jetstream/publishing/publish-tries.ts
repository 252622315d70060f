import { setTimeout as pause } from 'node:timers/promises';
import { jetstream, type JetStreamClient, type JetStreamManager, type PubAck } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { type Ack, type PubAckSubscription } from './pub-ack-subscription.js';
import type { DuplicateJudge } from './duplicate-judge.js';
import { messageHeaders, SUBMISSION_HEADER } from './message-headers.js';
import { isUnanswered, publishFailure, retryDelayMs } from './publish-failure.js';
import { type PublishJob, type PublishOutcome, type PublishRequest, unavailable } from './publish-job.js';
import type { PublishWatch } from './publish-watch.js';
import { RecentSequences } from './recent-sequences.js';

/** Where to publish, and the bounds of the tries. */
export interface TryBounds<R extends PublishRequest> {
  readonly stream: string;
  /** JetStream's API, for inspecting messages. Without it, the brokers alone decide what is a duplicate. */
  readonly manager?: (() => Promise<JetStreamManager>) | undefined;
  /** How long one try waits for an answer. */
  readonly tryMsMax: number;
  /** When every try ends, on the clock of `Date.now()`; it may move closer. */
  readonly stopAt: () => number;
  readonly judge: DuplicateJudge<R>;
  /** Notes whether the broker answers. */
  readonly watch?: PublishWatch | undefined;
}

const LAST_TRY_MS_MIN = 100;

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
 * A message that has left the stream, or became a dead letter, swallows its event in the same way (duplicate-judge.ts).
 * The new id derives from the sequence of the lost message. So all repeats of an event together add only one message
 * per lost message.
 *
 * A try whose answer was lost may have stored the event. The next try then gets the answer "duplicate" about our own
 * message. The submission header distinguishes the two, so that duplicates are counted exactly.
 *
 * The inspection costs a request to the leader for each repeat. It is left out where its result is certain. The message
 * id cannot be forged, so the message is this event. This was the first try, so it is an earlier submission. Whether the
 * message is kept is still decided by the judge.
 */
export class PublishTries<R extends PublishRequest> {
  private readonly client: JetStreamClient;
  /** What this process published recently. Those messages need no inspection. */
  private readonly own = new RecentSequences();

  constructor(
    connection: NatsConnection,
    private readonly acks: PubAckSubscription,
    private readonly bounds: TryBounds<R>,
  ) {
    this.client = jetstream(connection, { timeout: bounds.tryMsMax });
  }

  /** Whether the message id was recently published, by this process or another one, so that it is a duplicate. */
  isKnown(messageId: string): boolean {
    return this.own.sequenceOf(messageId) !== undefined || this.bounds.judge.isKnown(messageId);
  }

  /** The outcome of an event that the brokers took. */
  accepted({ request: { messageId } }: PublishJob<R>, seq: number): PublishOutcome {
    this.own.add(messageId, seq);
    this.bounds.judge.published(messageId);
    return { status: 'accepted', seq };
  }

  /**
   * Starts to publish an event alone.
   *
   * @param isFirst whether no earlier try can have stored it
   * @param end called once with the outcome, never before this returns
   */
  begin(job: PublishJob<R>, isFirst: boolean, end: (outcome: PublishOutcome) => void): void {
    const { request } = job;
    const isPlain = isFirst && request.isUnforgeable === true;
    const goOn = (answer?: Ack | Error): void => {
      void this.goOn(job, answer, { isPlain, mayBeStored: !isFirst }).then(end);
    };
    const leftMs = this.leftMs(job);
    if (leftMs <= 0) {
      goOn();
      return;
    }
    try {
      const { subject, body, messageId } = request;
      const message = { subject, body, headers: messageHeaders(messageId, job) };
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
  tryMsOf(job: PublishJob<R>): number {
    const leftMs = this.leftMs(job);
    return leftMs <= 0 ? leftMs : this.tryMs(leftMs);
  }

  /**
   * @param begun the answer to the first try; left out when there was no time for one
   * @param before `isPlain`: whether `begun`, if it says "duplicate", can only mean the same event from before.
   *   `mayBeStored`: whether an earlier try, in a batch, may have stored it
   */
  private async goOn(
    job: PublishJob<R>,
    begun: Ack | Error | undefined,
    before: { readonly isPlain: boolean; readonly mayBeStored: boolean },
  ): Promise<PublishOutcome> {
    let { messageId } = job.request;
    let { mayBeStored } = before;
    let answer = begun;
    for (let tries = 1; ; tries += 1) {
      const leftMs = this.leftMs(job);
      if (answer instanceof Error) {
        const failure = publishFailure(answer);
        if (!failure.retry) return unavailable(failure.reason, mayBeStored);
        mayBeStored ||= failure.mayBeStored;
        await pause(Math.min(retryDelayMs(failure.pace, tries), Math.max(0, leftMs)));
        answer = undefined;
        continue;
      }
      if (leftMs <= 0)
        return unavailable(this.bounds.stopAt() < job.deadline ? 'stopping' : 'no_answer', mayBeStored);
      try {
        // The client's own publish also notices that publishing is not permitted.
        answer ??= await this.again(job, messageId, this.tryMs(leftMs));
        const isSurelySame = before.isPlain && answer === begun;
        const first = answer.duplicate ? await this.firstOf(job, answer.seq, isSurelySame) : 'this';
        if (first === 'this') return this.accepted(job, answer.seq);
        if (await this.isKept(job, answer.seq, first)) return { status: 'duplicate', seq: answer.seq };
        messageId = `${job.request.messageId}#${first === 'another' ? job.submission : answer.seq}`;
        answer = undefined;
      } catch (error) {
        answer = asError(error);
      }
    }
  }

  private isSurelyKept({ request }: PublishJob<R>, seq: number, isPlain: boolean): boolean {
    const isSame = isPlain || this.own.sequenceOf(request.messageId) === seq;
    return isSame && this.bounds.judge.isSurelyKept(seq);
  }

  /** Whether the message that came first is this event, and is kept. */
  private async isKept(
    { request }: PublishJob<R>,
    seq: number,
    first: 'same' | 'gone' | 'another',
  ): Promise<boolean> {
    return first !== 'another' && this.bounds.judge.isKept(request, seq, first);
  }

  private async again(job: PublishJob<R>, messageId: string, timeout: number): Promise<PubAck> {
    const { watch } = this.bounds;
    const sentMs = performance.now();
    try {
      const headers = messageHeaders(messageId, job);
      const ack = await this.client.publish(job.request.subject, job.request.body, { headers, timeout });
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
    { request, submission }: PublishJob<R>,
    seq: number,
    isSurelySame: boolean,
  ): Promise<'this' | 'same' | 'gone' | 'another'> {
    const { manager } = this.bounds;
    if (isSurelySame || manager === undefined || this.own.sequenceOf(request.messageId) === seq)
      return 'same';
    // Queries go to the leader, because a replica may not have the message yet.
    const { streams } = await manager();
    const stored = await streams.getMessage(this.bounds.stream, { seq }).catch((error: unknown) => {
      if (publishFailure(error).retry) throw error;
      // A producer that may only publish may not inspect messages. The message id decides then.
      return 'not-permitted' as const;
    });
    if (stored === 'not-permitted') return 'same';
    // The message has left the stream, by age or by hand.
    if (stored === null) return 'gone';
    if (stored.header.get(SUBMISSION_HEADER) === submission) return 'this';
    const { subject, data } = stored;
    const header = (name: string): string | undefined => stored.header.get(name) || undefined;
    return this.bounds.judge.isSame({ subject, data, header }, request) ? 'same' : 'another';
  }

  private leftMs(job: PublishJob<R>): number {
    return Math.min(job.deadline, this.bounds.stopAt()) - Date.now();
  }

  private tryMs(leftMs: number): number {
    return Math.max(LAST_TRY_MS_MIN, Math.min(this.bounds.tryMsMax, leftMs));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
