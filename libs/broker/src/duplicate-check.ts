import type { JetStreamManager, StreamState } from '@nats-io/jetstream';
import { withTimeout } from '#waiting';
import { publishFailure } from './publish-failure.js';

/** A message of the stream that an event is said to be a repeat of. */
export interface SentEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly seq: number;
}

/** A message that was given up as a dead letter. Its id is unknown where it could not be read. */
export interface GivenUp {
  readonly topic: string;
  readonly eventId: string | null;
  readonly seq: number;
}

/** What is known of events beyond the stream. */
export interface EventLedger {
  /** The messages that were given up, of those from a sequence on: the last `limit` of them. */
  givenUpFrom(seq: number, limit: number): Promise<readonly GivenUp[]>;
  /** Of some sequences, those messages that were given up. */
  givenUpAmong(seqs: readonly number[]): Promise<readonly GivenUp[]>;
  /** Whether events were stored, under whatever sequence: one value for each, in order. */
  stored(events: readonly Pick<SentEvent, 'topic' | 'eventId'>[]): Promise<readonly boolean[]>;
}

/** What was seen, when to look again, and until when it holds. */
interface Snapshot {
  readonly againMs: number;
  readonly untilMs: number;
  readonly stream: StreamState;
  /** From this sequence on every message that was given up is known. */
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
/** Looked again before it ends, so that nobody has to wait for it while repeats keep coming. */
const AGAIN_MS = 50;
const ASKED_AT_ONCE_MAX = 1_000;
const INSPECTIONS_AT_ONCE_MAX = 32;
const GIVEN_UP_MAX = 5_000;
/** Repeats go back further now and then: what lies before the oldest of now is asked for along with it. */
const FURTHER_BACK = 100_000;
/** After a failure the ledger is left alone for so long: requests must not wait for a database that is down. */
const LEDGER_REST_MS = 2_000;
const LEDGER_MS_MAX = 1_000;

/**
 * Finds out whether a message that the brokers call a duplicate is really kept.
 *
 * The brokers remember ids for the duplicate window, whatever became of the messages: one that was purged, or that the
 * worker gave up as a dead letter, would swallow its event until the window ends. So `duplicate` is only said of what
 * is in the stream, or was stored; the ledger knows the latter.
 *
 *   in the stream? ─yes─▶ given up? ─no──▶ kept
 *      │                      └─yes─▶ lost: publish it again, the inbox decides
 *      └─no─▶ stored? ─yes─▶ kept
 *                 └─no, or nothing can say─▶ lost
 *
 * Repeats are common, and a round trip for each would slow them down. So what was seen of the stream and of the dead
 * letters holds for a moment (`HOLDS_MS`), and what comes meanwhile is judged by it: to them it is as if they had come
 * that much sooner. While one question is under way the next ones gather. Where the ledger cannot be asked, the stream
 * has to do.
 *
 * An event that is given up again and again cannot fill the stream: see `Repeats`.
 */
export class DuplicateCheck {
  private queue: Question[] = [];
  private isAsking = false;
  private snapshot: Snapshot | undefined;
  private isRefreshing = false;
  private ledgerFrom = 0;
  private readonly repeats = new Repeats();

  /**
   * @param manager how the stream is asked; it may be refused, then a message id has to do
   * @param ledger left out by producers, which may only publish: then nothing is asked, and a message id has to do
   */
  constructor(
    private readonly manager: () => Promise<JetStreamManager>,
    private readonly stream: string,
    private readonly ledger?: EventLedger,
  ) {}

  /** Whether a message is known to be kept without asking. */
  isSurelyKept(seq: number): boolean {
    const { snapshot } = this;
    if (this.ledger === undefined) return true;
    const now = performance.now();
    if (snapshot === undefined || now >= snapshot.untilMs) return false;
    if (now >= snapshot.againMs) this.refreshAhead(seq);
    return isKeptIn(snapshot, seq);
  }

  /** Whether a message is in the stream and was not given up, or its event was stored. @throws when the brokers do not say */
  async isKept(event: SentEvent): Promise<boolean> {
    if (this.isSurelyKept(event.seq)) return true;
    return new Promise<boolean>((answer, fail) => {
      this.queue.push({ event, answer, fail });
      if (!this.isAsking) void this.askAll();
    });
  }

  /** Whether an event was stored, as far as the ledger can say. */
  async isStored(event: SentEvent): Promise<boolean> {
    const [isStored = false] = await this.fromLedger([], (ledger) => ledger.stored([event]));
    return isStored;
  }

  private refreshAhead(seq: number): void {
    if (this.isRefreshing || this.isAsking) return;
    this.isRefreshing = true;
    void this.inspect(seq)
      // Whoever asks next will hear it.
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

  /** @returns those that are kept */
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

  /** Looks at the stream and the dead letters. @returns `undefined` when this user may not look */
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

  /** Events whose message may have left the stream. @param kept gets those that are kept all the same */
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
  // Which messages are missing in between is not known.
  if (stream.num_deleted > 0 || !mayHold(stream, seq)) return false;
  return seq >= fromSeq && !givenUpSeqs.has(seq);
}

/** A sequence means the same message only within one incarnation of the stream; topic and id tell others apart. */
function isOf({ topic, eventId, seq }: GivenUp, event: SentEvent): boolean {
  return seq === event.seq && topic === event.topic && (eventId === null || eventId === event.eventId);
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
 * How often an event that was given up is published again: three times at once, then once a minute. Between those it is
 * a duplicate of the dead letter, which is in the stream.
 */
export class Repeats {
  private young = new Map<string, Repeated>();
  private old = new Map<string, Repeated>();

  /** Whether the event may be published in place of the message under its sequence. Repeats of that are the same message. */
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

/** Also of a stream that is empty: its first sequence is the one that comes next. What is newer than the snapshot is in it. */
function mayHold(state: StreamState, seq: number): boolean {
  return seq >= state.first_seq;
}
