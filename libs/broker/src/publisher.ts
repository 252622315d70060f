/**
 * Publishes events to the stream so that each is there once, and says truthfully what became of it.
 *
 *   publish ─▶ waiting ─▶ in flight ─ack─▶ accepted | duplicate
 *      │                   │   ▲
 *      │ no room           │   └─ no answer: wait, same id again
 *      ▼                   ▼
 *   unavailable        unavailable (budget spent, stream full)
 *
 * Promises: `accepted` and `duplicate` are said only after a quorum of the brokers has the event; a publish is
 * never thrown away in silence and never throws for trouble with the brokers; what waits and what is in
 * flight is bounded. `unavailable` does not say that the event is absent (an answer may have been lost), only
 * that sending it again with the same id is needed and safe.
 *
 * The brokers compare message ids only. A message that somebody published under an event's id without being that
 * event (not JSON, another id in its body) would swallow the real one: so what a "duplicate" is a duplicate of is
 * looked at, unless this process published it itself, and the event is published under a fresh message id if need be.
 *
 * A try whose answer was lost may have stored the event; the next is then told "duplicate" about our own
 * message. The submission header tells the two apart, so that duplicates are counted exactly.
 */
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { headers, nuid, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import {
  decodeEvent,
  MESSAGE_ID_HEADER,
  messageIdOf,
  type RawMessage,
  SUBMISSION_HEADER,
  subjectOf,
} from '#contracts';
import { type Ack, AckInbox } from './ack-inbox.js';
import { publishFailure, retryDelayMs, type UnavailableReason } from './publish-failure.js';
import { WaitingLine } from './waiting-line.js';

/** An event on its way: what it is called, and its JSON text. */
export interface Publication {
  readonly topic: string;
  readonly eventId: string;
  /** The message body: the event as JSON text. */
  readonly body: string;
}

/** What became of one publish. */
export type PublishOutcome =
  | { readonly status: 'accepted' | 'duplicate'; readonly seq: number }
  | { readonly status: 'unavailable'; readonly reason: UnavailableReason; readonly retryable: boolean };

/** Where a publisher publishes, and its bounds. */
export interface PublisherOptions {
  /** The stream, for looking at a message that was stored by a try whose answer was lost. */
  readonly stream: string;
  /** First token of every subject. */
  readonly subjectPrefix: string;
  /** Publishes that wait for the brokers' answer at a time. */
  readonly inFlightMax: number;
  /** Publishes that wait for their turn, beyond those in flight. */
  readonly waitingMax: number;
  /** How long one publish may take, waiting for its turn included. */
  readonly budgetMs: number;
  /** How long one try waits for an answer. Default 3 s. */
  readonly tryMsMax?: number;
  /** Bytes of the bodies of all that wait or are in flight, at most. Default 64 MiB. */
  readonly heldBytesMax?: number;
  /** Where the brokers' answers may come to; the client's own default when left out. */
  readonly inboxPrefix?: string | undefined;
}

interface Job {
  readonly event: Publication;
  readonly subject: string;
  readonly messageId: string;
  readonly deadline: number;
  readonly settle: (outcome: PublishOutcome) => void;
  /** Those who asked for the same id meanwhile. */
  readonly followers: ((outcome: PublishOutcome) => void)[];
}

const TRY_MS_MAX = 3_000;
const LAST_TRY_MS_MIN = 100;
const LOOK_MS_MAX = 2_000;
/** Bytes of the bodies that are held, at most, unless an option says otherwise. */
const HELD_BYTES_MAX = 67_108_864;
/** Messages this process published, remembered to spare looking at them; about 10 MB. */
const OWN_MAX = 50_000;

/** See the head of this file. One per process and connection; it does not close the connection. */
export class Publisher {
  private readonly client: JetStreamClient;
  private readonly acks: AckInbox;
  private manager: Promise<JetStreamManager> | undefined;
  private readonly waiting = new WaitingLine<Job>();
  /** Each message id that is on its way: equal ids at the same moment become one publish. */
  private readonly underway = new Map<string, Job>();
  /** The sequence under which a message id was stored by this process, oldest first. */
  private readonly own = new Map<string, number>();
  private inFlight = 0;
  private held = 0;
  private heldBytes = 0;
  private stopAt = Number.POSITIVE_INFINITY;
  private submissions = 0;
  private readonly submissionPrefix = nuid.next().slice(-12);

  constructor(
    private readonly connection: NatsConnection,
    private readonly options: PublisherOptions,
  ) {
    this.client = jetstream(connection, { timeout: options.tryMsMax ?? TRY_MS_MAX });
    this.acks = new AckInbox(connection, options.inboxPrefix);
  }

  /** How many publishes have not ended yet. */
  get unfinished(): number {
    return this.held;
  }

  /** Publishes one event. Resolves with what became of it; never rejects. */
  async publish(event: Publication): Promise<PublishOutcome> {
    const [outcome] = await this.publishAll([event]);
    return outcome ?? this.noRoom();
  }

  /**
   * Publishes events, all or none of them begun: when they do not all fit among those waiting, each is
   * `unavailable` with reason `busy` and nothing was sent.
   *
   * @returns the outcomes in the order of the events; never rejects
   */
  async publishAll(events: readonly Publication[]): Promise<PublishOutcome[]> {
    if (events.length === 0) return [];
    const bytes = events.reduce((sum, { body }) => sum + body.length, 0);
    if (!this.hold(events.length, bytes)) return events.map(() => this.noRoom());
    const deadline = Date.now() + this.options.budgetMs;
    const outcomes = await new Promise<PublishOutcome[]>((resolve) => {
      const settled = new Array<PublishOutcome>(events.length);
      let left = events.length;
      for (const [index, event] of events.entries()) {
        this.follow(event, deadline, (outcome) => {
          settled[index] = outcome;
          this.held -= 1;
          if (--left === 0) resolve(settled);
        });
      }
      this.begin();
    });
    this.heldBytes -= bytes;
    return outcomes;
  }

  /**
   * Lets what was begun come to its end, and begins nothing more.
   *
   * @param withinMs after so long every publish that still has no answer ends as `unavailable`
   */
  stop(withinMs: number): void {
    this.stopAt = Math.min(this.stopAt, Date.now() + withinMs);
  }

  private hold(count: number, bytes: number): boolean {
    const { inFlightMax, waitingMax, heldBytesMax = HELD_BYTES_MAX } = this.options;
    if (this.stopAt !== Number.POSITIVE_INFINITY) return false;
    if (this.held + count > inFlightMax + waitingMax) return false;
    // What is larger by itself than all that may be held goes alone.
    if (this.held > 0 && this.heldBytes + bytes > heldBytesMax) return false;
    this.held += count;
    this.heldBytes += bytes;
    return true;
  }

  private noRoom(): PublishOutcome {
    return unavailable(this.stopAt === Number.POSITIVE_INFINITY ? 'busy' : 'stopping');
  }

  /** Equal ids at the same moment become one publish: the brokers would refuse all but one of them (10158). */
  private follow(event: Publication, deadline: number, settle: (outcome: PublishOutcome) => void): void {
    const messageId = messageIdOf(event.topic, event.eventId);
    const first = this.underway.get(messageId);
    if (first === undefined) {
      const subject = subjectOf(this.options.subjectPrefix, event.topic);
      const job: Job = { event, subject, messageId, deadline, settle, followers: [] };
      this.underway.set(messageId, job);
      this.waiting.add(job);
      return;
    }
    first.followers.push((outcome) => {
      if (outcome.status !== 'unavailable') settle({ status: 'duplicate', seq: outcome.seq });
      else if (Date.now() >= Math.min(deadline, this.stopAt)) settle(outcome);
      else this.follow(event, deadline, settle);
    });
  }

  private begin(): void {
    while (this.inFlight < this.options.inFlightMax) {
      const job = this.waiting.take();
      if (job === undefined) return;
      this.inFlight += 1;
      this.tryFirst(job);
    }
  }

  private end(job: Job, outcome: PublishOutcome): void {
    this.inFlight -= 1;
    this.underway.delete(job.messageId);
    job.settle(outcome);
    for (const follower of job.followers) follower(outcome);
    this.begin();
  }

  /** Nearly every event is done after this; whatever is not plain is left to `goOn`. */
  private tryFirst(job: Job): void {
    const submission = `${this.submissionPrefix}${(this.submissions += 1).toString(36)}`;
    const goOn = (answer?: Ack | Error): void => {
      void this.goOn(job, submission, answer).then((outcome) => {
        this.end(job, outcome);
      });
    };
    const leftMs = this.leftMs(job);
    if (leftMs <= 0) {
      goOn();
      return;
    }
    const { subject, messageId, event } = job;
    const headers = messageHeaders(messageId, submission);
    try {
      this.acks.publish({ subject, body: event.body, headers }, this.tryMs(leftMs), (answer) => {
        if (answer instanceof Error) goOn(answer);
        else if (!answer.duplicate) this.end(job, this.accepted(job, answer.seq));
        else if (this.own.get(messageId) === answer.seq)
          this.end(job, { status: 'duplicate', seq: answer.seq });
        else goOn(answer);
      });
    } catch (error) {
      goOn(asError(error));
    }
  }

  /** @param begun the answer to the first try; left out when there was no time for one */
  private async goOn(job: Job, submission: string, begun?: Ack | Error): Promise<PublishOutcome> {
    let { messageId } = job;
    let answer = begun;
    for (let tries = 1; ; tries += 1) {
      const leftMs = this.leftMs(job);
      if (answer instanceof Error) {
        const failure = publishFailure(answer);
        if (!failure.retry) return unavailable(failure.reason);
        await elapse(Math.min(retryDelayMs(failure.pace, tries), Math.max(0, leftMs)));
        answer = undefined;
        continue;
      }
      if (leftMs <= 0) return unavailable(this.stopAt < job.deadline ? 'stopping' : 'no_answer');
      try {
        answer ??= await this.client.publish(job.subject, job.event.body, {
          headers: messageHeaders(messageId, submission),
          timeout: this.tryMs(leftMs),
        });
        const first = answer.duplicate ? await this.firstOf(job, answer.seq, submission) : 'this';
        if (first === 'this') return this.accepted(job, answer.seq);
        if (first === 'same') return { status: 'duplicate', seq: answer.seq };
        messageId = `${job.messageId}#${submission}`;
        answer = undefined;
      } catch (error) {
        answer = asError(error);
      }
    }
  }

  private leftMs(job: Job): number {
    return Math.min(job.deadline, this.stopAt) - Date.now();
  }

  private tryMs(leftMs: number): number {
    return Math.max(LAST_TRY_MS_MIN, Math.min(this.options.tryMsMax ?? TRY_MS_MAX, leftMs));
  }

  private accepted(job: Job, seq: number): PublishOutcome {
    this.remember(job.messageId, seq);
    return { status: 'accepted', seq };
  }

  /**
   * What the broker has under the message id: this very submission, the same event sent before, or something that
   * is not this event. Throws when nobody says; the try is then repeated.
   */
  private async firstOf(job: Job, seq: number, submission: string): Promise<'this' | 'same' | 'another'> {
    if (this.own.get(job.messageId) === seq) return 'same';
    // Through the leader: a replica asked directly may not have the message yet.
    this.manager ??= jetstreamManager(this.connection, { checkAPI: false, timeout: LOOK_MS_MAX });
    const stored = await (
      await this.manager
    ).streams
      .getMessage(this.options.stream, { seq })
      .catch((error: unknown) => {
        if (publishFailure(error).retry) throw error;
        // A producer that may only publish may not look: then the message id has to do.
        return null;
      });
    // It has left the stream since, by age or by hand, or it may not be looked at.
    if (stored === null) return 'same';
    if (stored.header.get(SUBMISSION_HEADER) === submission) return 'this';
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

  private identityOf(message: RawMessage): string | undefined {
    const decoded = decodeEvent(message, this.options.subjectPrefix, Number.POSITIVE_INFINITY);
    return decoded.ok ? messageIdOf(decoded.event.topic, decoded.event.eventId) : undefined;
  }

  private remember(messageId: string, seq: number): void {
    if (this.own.size >= OWN_MAX) {
      const [oldest] = this.own.keys();
      if (oldest !== undefined) this.own.delete(oldest);
    }
    this.own.set(messageId, seq);
  }
}

/** New for every try: the client writes into the headers it is given, and an old id in them loses the message. */
function messageHeaders(messageId: string, submission: string): MsgHdrs {
  const made = headers();
  made.append(MESSAGE_ID_HEADER, messageId);
  made.append(SUBMISSION_HEADER, submission);
  return made;
}

function unavailable(reason: UnavailableReason): PublishOutcome {
  return { status: 'unavailable', reason, retryable: reason !== 'too_large' && reason !== 'refused' };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function elapse(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
