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
 * A try whose answer was lost may have stored the event; the next is then told "duplicate" about our own
 * message. The submission header tells the two apart, so that duplicates are counted exactly.
 */
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { headers, nuid, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { MESSAGE_ID_HEADER, messageIdOf, SUBMISSION_HEADER, subjectOf } from '#contracts';
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
}

interface Job {
  readonly subject: string;
  readonly messageId: string;
  readonly body: string;
  readonly deadline: number;
  readonly settle: (outcome: PublishOutcome) => void;
}

const TRY_MS_MAX = 3_000;
const LAST_TRY_MS_MIN = 100;
const LOOK_MS_MAX = 2_000;
const LOOK_TRIES_MAX = 4;

/** See the head of this file. One per process and connection; it does not close the connection. */
export class Publisher {
  private readonly client: JetStreamClient;
  private manager: Promise<JetStreamManager> | undefined;
  private readonly waiting = new WaitingLine<Job>();
  /** The outcome of each message id that is on its way, for those who ask for the same one meanwhile. */
  private readonly underway = new Map<string, Promise<PublishOutcome>>();
  private inFlight = 0;
  private held = 0;
  private stopAt = Number.POSITIVE_INFINITY;
  private submissions = 0;
  private readonly submissionPrefix = nuid.next().slice(-12);

  constructor(
    private readonly connection: NatsConnection,
    private readonly options: PublisherOptions,
  ) {
    this.client = jetstream(connection, { timeout: options.tryMsMax ?? TRY_MS_MAX });
  }

  /** How many publishes have not ended yet. */
  get unfinished(): number {
    return this.held;
  }

  /** Publishes one event. Resolves with what became of it; never rejects. */
  async publish(event: Publication): Promise<PublishOutcome> {
    if (!this.hold(1)) return this.noRoom();
    return this.follow(event);
  }

  /**
   * Publishes events, all or none of them begun: when they do not all fit among those waiting, each is
   * `unavailable` with reason `busy` and nothing was sent.
   *
   * @returns the outcomes in the order of the events; never rejects
   */
  async publishAll(events: readonly Publication[]): Promise<PublishOutcome[]> {
    if (!this.hold(events.length)) return events.map(() => this.noRoom());
    return Promise.all(events.map((event) => this.follow(event)));
  }

  /**
   * Lets what was begun come to its end, and begins nothing more.
   *
   * @param withinMs after so long every publish that still has no answer ends as `unavailable`
   */
  stop(withinMs: number): void {
    this.stopAt = Math.min(this.stopAt, Date.now() + withinMs);
  }

  private hold(count: number): boolean {
    if (this.stopAt !== Number.POSITIVE_INFINITY) return false;
    if (this.held + count > this.options.inFlightMax + this.options.waitingMax) return false;
    this.held += count;
    return true;
  }

  private noRoom(): PublishOutcome {
    return unavailable(this.stopAt === Number.POSITIVE_INFINITY ? 'busy' : 'stopping');
  }

  /** Equal ids at the same moment become one publish: the brokers would refuse all but one of them (10158). */
  private async follow(event: Publication): Promise<PublishOutcome> {
    const deadline = Date.now() + this.options.budgetMs;
    const messageId = messageIdOf(event.topic, event.eventId);
    try {
      for (;;) {
        const first = this.underway.get(messageId);
        if (first === undefined) return await this.lead(event, messageId, deadline);
        const outcome = await first;
        if (outcome.status !== 'unavailable') return { status: 'duplicate', seq: outcome.seq };
        if (Date.now() >= Math.min(deadline, this.stopAt)) return outcome;
      }
    } finally {
      this.held -= 1;
    }
  }

  private lead(event: Publication, messageId: string, deadline: number): Promise<PublishOutcome> {
    const outcome = new Promise<PublishOutcome>((resolve) => {
      this.waiting.add({
        subject: subjectOf(this.options.subjectPrefix, event.topic),
        messageId,
        body: event.body,
        deadline,
        settle: (settled) => {
          this.underway.delete(messageId);
          resolve(settled);
        },
      });
    });
    this.underway.set(messageId, outcome);
    this.begin();
    return outcome;
  }

  private begin(): void {
    while (this.inFlight < this.options.inFlightMax) {
      const job = this.waiting.take();
      if (job === undefined) return;
      this.inFlight += 1;
      void this.run(job).then((outcome) => {
        this.inFlight -= 1;
        job.settle(outcome);
        this.begin();
      });
    }
  }

  private async run(job: Job): Promise<PublishOutcome> {
    const submission = `${this.submissionPrefix}${(this.submissions += 1).toString(36)}`;
    for (let tries = 1; ; tries += 1) {
      const leftMs = Math.min(job.deadline, this.stopAt) - Date.now();
      if (leftMs <= 0) return unavailable(this.stopAt < job.deadline ? 'stopping' : 'no_answer');
      try {
        const timeout = Math.max(LAST_TRY_MS_MIN, Math.min(this.options.tryMsMax ?? TRY_MS_MAX, leftMs));
        const ack = await this.client.publish(job.subject, job.body, {
          headers: messageHeaders(job.messageId, submission),
          timeout,
        });
        // Only a second try can be taken for a duplicate of the first.
        const duplicate = ack.duplicate && !(tries > 1 && (await this.isOurs(ack.seq, submission)));
        return { status: duplicate ? 'duplicate' : 'accepted', seq: ack.seq };
      } catch (error) {
        const failure = publishFailure(error);
        if (!failure.retry) return unavailable(failure.reason);
        await elapse(Math.min(retryDelayMs(failure.pace, tries), Math.max(0, leftMs)));
      }
    }
  }

  /** Whether the stored message came from this submission. When it cannot be looked at: no. */
  private async isOurs(seq: number, submission: string): Promise<boolean> {
    for (let tries = 1; tries <= LOOK_TRIES_MAX; tries += 1) {
      try {
        // Through the leader: a replica asked directly may not have the message yet.
        this.manager ??= jetstreamManager(this.connection, { checkAPI: false, timeout: LOOK_MS_MAX });
        const stored = await (await this.manager).streams.getMessage(this.options.stream, { seq });
        return stored?.header.get(SUBMISSION_HEADER) === submission;
      } catch (error) {
        if (!publishFailure(error).retry || Date.now() >= this.stopAt) return false;
        await elapse(retryDelayMs('unanswered', tries));
      }
    }
    return false;
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

function elapse(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
