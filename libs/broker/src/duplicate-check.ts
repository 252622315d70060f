import type { JetStreamManager, StreamState } from '@nats-io/jetstream';
import { publishFailure } from '#idempotent-consumer/jetstream';
import { withTimeout } from '#waiting';

/** The stored message that an event appears to repeat. */
export interface SentEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly seq: number;
}

/** A message that became a dead letter. Its event id is null where it could not be read. */
export interface GivenUp {
  readonly topic: string;
  readonly eventId: string | null;
  readonly seq: number;
}

/** What the database knows of events beyond the stream. */
export interface EventLedger {
  /** The last `limit` dead letters among the messages from a sequence on. */
  givenUpFrom(seq: number, limit: number): Promise<readonly GivenUp[]>;
  /** The dead letters among some sequences. */
  givenUpAmong(seqs: readonly number[]): Promise<readonly GivenUp[]>;
  /** Whether each event was stored, under any sequence. Returns one value per event, in order. */
  stored(events: readonly Pick<SentEvent, 'topic' | 'eventId'>[]): Promise<readonly boolean[]>;
}

/** A recent state of the stream and the dead letters, with when to refresh it and when it expires. */
interface Snapshot {
  readonly againMs: number;
  readonly untilMs: number;
  readonly stream: StreamState;
  /** All dead letters from this sequence on are known. */
  readonly fromSeq: number;
  readonly givenUp: readonly GivenUp[];
  readonly givenUpSeqs: ReadonlySet<number>;
}

interface Question {
  readonly event: SentEvent;
  readonly answer: (isKept: boolean) => void;
  readonly fail: (error: unknown) => void;
}

const HOLDS_MS = 100;
/** The snapshot is refreshed before it expires, so that no request has to wait for it while repeats keep coming. */
const AGAIN_MS = 50;
const ASKED_AT_ONCE_MAX = 1_000;
const INSPECTIONS_AT_ONCE_MAX = 32;
const GIVEN_UP_MAX = 5_000;
/** Later repeats may go further back, so the snapshot also covers this many sequences before the oldest one of now. */
const FURTHER_BACK = 100_000;
/** How long the ledger is not asked after a failure. Requests must not wait for a database that is down. */
const LEDGER_REST_MS = 2_000;
const LEDGER_MS_MAX = 1_000;

/**
 * Finds out whether a message that the brokers call a duplicate is really kept.
 *
 * The brokers remember ids for the duplicate window, even when they no longer have the message. It may have been
 * purged, or it may be a dead letter. Without this check it would swallow its event until the window ends. So an event
 * is only called a `duplicate` when its message is in the stream, or the event was stored. The ledger knows the latter.
 *
 *   in the stream? ─yes─▶ dead letter? ─no──▶ kept
 *      │                      └─yes─▶ lost: publish it again, the inbox decides
 *      └─no─▶ stored? ─yes─▶ kept
 *                 └─no, or no answer─▶ lost
 *
 * Repeats are common, and a round trip for each would slow them down. So one snapshot of the stream and the dead
 * letters is valid for a moment (`HOLDS_MS`) and answers for all events of that moment. While one query is under way,
 * further ones gather. When the ledger does not answer, the stream alone decides.
 *
 * An event that becomes a dead letter again and again cannot fill the stream: see `Repeats`.
 */
export class DuplicateCheck {
  private queue: Question[] = [];
  private isAsking = false;
  private snapshot: Snapshot | undefined;
  private isRefreshing = false;
  private ledgerFrom = 0;
  private readonly repeats = new Repeats();

  /**
   * @param manager gives access to the stream; if that is refused, the message id decides
   * @param ledger left out by producers that may only publish; the message id then decides
   */
  constructor(
    private readonly manager: () => Promise<JetStreamManager>,
    private readonly stream: string,
    private readonly ledger?: EventLedger,
  ) {}

  /** Whether a message is known to be kept, without a query. */
  isSurelyKept(seq: number): boolean {
    const { snapshot } = this;
    if (this.ledger === undefined) return true;
    const now = performance.now();
    if (snapshot === undefined || now >= snapshot.untilMs) return false;
    if (now >= snapshot.againMs) this.refreshAhead(seq);
    return isKeptIn(snapshot, seq);
  }

  /**
   * Whether a message is in the stream and no dead letter, or its event was stored. @throws when the brokers do not
   * answer
   */
  async isKept(event: SentEvent): Promise<boolean> {
    if (this.isSurelyKept(event.seq)) return true;
    return new Promise<boolean>((answer, fail) => {
      this.queue.push({ event, answer, fail });
      if (!this.isAsking) void this.askAll();
    });
  }

  /** Whether the ledger says that an event was stored. */
  async isStored(event: SentEvent): Promise<boolean> {
    const [isStored = false] = await this.fromLedger([], (ledger) => ledger.stored([event]));
    return isStored;
  }

  private refreshAhead(seq: number): void {
    if (this.isRefreshing || this.isAsking) return;
    this.isRefreshing = true;
    void this.inspect(seq)
      // The next caller gets the error.
      .catch(() => undefined)
      .finally(() => {
        this.isRefreshing = false;
      });
  }

  private async askAll(): Promise<void> {
    this.isAsking = true;
    for (let questions = this.take(); questions.length > 0; questions = this.take()) {
      try {
        const kept = await this.ask(questions.map(({ event }) => event));
        for (const { event, answer } of questions) answer(kept.has(event));
      } catch (error) {
        for (const { fail } of questions) fail(error);
      }
    }
    this.isAsking = false;
  }

  private take(): Question[] {
    return this.queue.splice(0, ASKED_AT_ONCE_MAX);
  }

  /** @returns the events that are kept */
  private async ask(events: readonly SentEvent[]): Promise<ReadonlySet<SentEvent>> {
    const snapshot = await this.inspect(Math.min(...events.map(({ seq }) => seq)));
    if (snapshot === undefined) return new Set(events);
    const earlier = events.filter(({ seq }) => seq < snapshot.fromSeq).map(({ seq }) => seq);
    const givenUp =
      earlier.length === 0
        ? snapshot.givenUp
        : [...snapshot.givenUp, ...(await this.fromLedger([], (ledger) => ledger.givenUpAmong(earlier)))];
    const kept = new Set<SentEvent>();
    const open: SentEvent[] = [];
    for (const event of events) {
      if (isKeptIn(snapshot, event.seq)) kept.add(event);
      else if (!givenUp.some((one) => isOf(one, event))) open.push(event);
      else if (!this.repeats.allow(event)) kept.add(event);
    }
    if (open.length > 0) await this.inspectMessages(open, snapshot.stream, kept);
    return kept;
  }

  /** Inspects the stream and the dead letters. @returns `undefined` when this user may not */
  private async inspect(lowestSeq: number): Promise<Snapshot | undefined> {
    const inspectFrom = Math.max(1, lowestSeq - FURTHER_BACK);
    const [stream, givenUp] = await Promise.all([
      this.streamState(),
      this.fromLedger([], (ledger) => ledger.givenUpFrom(inspectFrom, GIVEN_UP_MAX)),
    ]);
    if (stream === 'not-permitted') return undefined;
    const isAll = givenUp.length < GIVEN_UP_MAX;
    const seqs = givenUp.map(({ seq }) => seq);
    const now = performance.now();
    this.snapshot = {
      againMs: now + AGAIN_MS,
      untilMs: now + HOLDS_MS,
      stream,
      fromSeq: isAll ? inspectFrom : Math.min(...seqs) + 1,
      givenUp,
      givenUpSeqs: new Set(seqs),
    };
    return this.snapshot;
  }

  /** Inspects events whose message may have left the stream. @param kept gets those that are kept nevertheless */
  private async inspectMessages(
    events: readonly SentEvent[],
    state: StreamState,
    kept: Set<SentEvent>,
  ): Promise<void> {
    const stored = await this.fromLedger([], (ledger) => ledger.stored(events));
    for (const [index, event] of events.entries()) if (stored[index] === true) kept.add(event);
    const left = events.filter((event) => !kept.has(event) && mayHold(state, event.seq));
    for (let at = 0; at < left.length; at += INSPECTIONS_AT_ONCE_MAX) {
      const some = left.slice(at, at + INSPECTIONS_AT_ONCE_MAX);
      const isThere = await Promise.all(some.map(({ seq }) => this.isInStream(seq)));
      for (const [index, event] of some.entries()) if (isThere[index] === true) kept.add(event);
    }
  }

  private async streamState(): Promise<StreamState | 'not-permitted'> {
    try {
      return (await (await this.manager()).streams.info(this.stream)).state;
    } catch (error) {
      if (publishFailure(error).retry) throw error;
      return 'not-permitted';
    }
  }

  private async isInStream(seq: number): Promise<boolean> {
    return (await (await this.manager()).streams.getMessage(this.stream, { seq })) !== null;
  }

  private async fromLedger<T>(unknown: T, ask: (ledger: EventLedger) => Promise<T>): Promise<T> {
    if (this.ledger === undefined || performance.now() < this.ledgerFrom) return unknown;
    try {
      return await withTimeout(LEDGER_MS_MAX, ask(this.ledger));
    } catch {
      this.ledgerFrom = performance.now() + LEDGER_REST_MS;
      return unknown;
    }
  }
}

function isKeptIn({ stream, fromSeq, givenUpSeqs }: Snapshot, seq: number): boolean {
  // The stream does not say which messages in between are missing.
  if (stream.num_deleted > 0 || !mayHold(stream, seq)) return false;
  return seq >= fromSeq && !givenUpSeqs.has(seq);
}

/**
 * A sequence names the same message only within one incarnation of the stream. Topic and id tell the others apart. A
 * dead letter that was counted without its topic, under a name in brackets, has only its id.
 */
function isOf({ topic, eventId, seq }: GivenUp, event: SentEvent): boolean {
  if (seq !== event.seq) return false;
  if (topic.startsWith('(')) return eventId === event.eventId;
  return topic === event.topic && (eventId === null || eventId === event.eventId);
}

const AT_ONCE = 3;
const AGAIN_AFTER_MS = 60_000;
const REMEMBERED_MAX = 10_000;

interface Repeated {
  seq: number;
  count: number;
  atMs: number;
}

/**
 * Limits how often an event that became a dead letter is published again: three times at once, then once a minute. In
 * between, the event is a duplicate of the dead letter in the stream.
 */
export class Repeats {
  private young = new Map<string, Repeated>();
  private old = new Map<string, Repeated>();

  /**
   * Whether the event may be published in place of the message with its sequence. Repeats of the new message are the
   * same event.
   */
  allow({ topic, eventId, seq }: SentEvent, nowMs = performance.now()): boolean {
    const key = `${topic}:${eventId}`;
    const known = this.young.get(key) ?? this.old.get(key);
    if (known !== undefined && seq <= known.seq) return true;
    if (known !== undefined && known.count >= AT_ONCE && nowMs - known.atMs < AGAIN_AFTER_MS) return false;
    if (this.young.size >= REMEMBERED_MAX) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, { seq, count: (known?.count ?? 0) + 1, atMs: nowMs });
    return true;
  }
}

/**
 * Whether the stream may hold a sequence. An empty stream's first sequence is the next one. Newer messages than the
 * snapshot are in it.
 */
function mayHold(state: StreamState, seq: number): boolean {
  return seq >= state.first_seq;
}
