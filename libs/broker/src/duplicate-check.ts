/**
 * Finds out whether a message that the brokers call a duplicate is really kept.
 *
 * The brokers remember ids for the duplicate window, whatever became of the messages: one that was purged, or that the
 * worker gave up as a dead letter, would swallow its event until the window ends. So `duplicate` is only said of what is in
 * the stream, or was stored; the ledger knows the latter.
 *
 *   in the stream? ─yes─▶ given up? ─no──▶ kept
 *      │                      └─yes─▶ lost: publish it again, the inbox decides
 *      └─no─▶ stored? ─yes─▶ kept
 *                 └─no, or nobody can say─▶ lost
 *
 * While one question is under way the next ones gather, and are asked as one: a question to the leader of the stream and
 * one statement, whatever their number. Where the ledger cannot be asked, what the stream says has to do.
 *
 * An event that is given up again and again cannot fill the stream: see `Repeats`.
 */
import type { JetStreamManager, StreamState } from '@nats-io/jetstream';
import { publishFailure } from './publish-failure.js';

/** A message of the stream that an event is said to be a repeat of. */
export interface SentEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly seq: number;
}

/** What is known of events beyond the stream. Each answer has one value for each event, in order. */
export interface EventLedger {
  /** Whether the message under this sequence was given up as a dead letter. */
  givenUp(events: readonly SentEvent[]): Promise<readonly boolean[]>;
  /** Whether the event was stored, under whatever sequence. */
  stored(events: readonly Pick<SentEvent, 'topic' | 'eventId'>[]): Promise<readonly boolean[]>;
}

interface Question {
  readonly event: SentEvent;
  readonly answer: (isKept: boolean) => void;
  readonly fail: (error: unknown) => void;
}

const ASKED_AT_ONCE_MAX = 1_000;
const LOOKS_AT_ONCE_MAX = 32;
/** After a failure the ledger is left alone for so long: requests must not wait for a database that is down. */
const LEDGER_REST_MS = 2_000;
const LEDGER_MS_MAX = 1_000;

/** See the head of this file. */
export class DuplicateCheck {
  private waiting: Question[] = [];
  private isAsking = false;
  private ledgerFrom = 0;
  private readonly repeats = new Repeats();

  /** @param manager how the stream is asked; it may be refused, then a message id has to do */
  constructor(
    private readonly manager: () => Promise<JetStreamManager>,
    private readonly stream: string,
    private readonly ledger?: EventLedger,
  ) {}

  /** Whether a message is in the stream and was not given up, or its event was stored. @throws when the brokers do not say */
  async isKept(event: SentEvent): Promise<boolean> {
    return new Promise<boolean>((answer, fail) => {
      this.waiting.push({ event, answer, fail });
      if (!this.isAsking) void this.askAll();
    });
  }

  /** Whether an event was stored, as far as the ledger can say. */
  async isStored(event: SentEvent): Promise<boolean> {
    const [isStored = false] = await this.fromLedger([event], (ledger) => ledger.stored([event]));
    return isStored;
  }

  private async askAll(): Promise<void> {
    this.isAsking = true;
    while (this.waiting.length > 0) {
      const questions = this.waiting.splice(0, ASKED_AT_ONCE_MAX);
      try {
        const kept = await this.ask(questions.map(({ event }) => event));
        for (const [index, { answer }] of questions.entries()) answer(kept[index] === true);
      } catch (error) {
        for (const { fail } of questions) fail(error);
      }
    }
    this.isAsking = false;
  }

  private async ask(events: readonly SentEvent[]): Promise<boolean[]> {
    const [state, givenUp] = await Promise.all([
      this.streamState(),
      this.fromLedger(events, (ledger) => ledger.givenUp(events)),
    ]);
    if (state === 'not-told') return events.map(() => true);
    const isWhole = state.num_deleted === undefined || state.num_deleted === 0;
    const kept = events.map((event, index) => {
      if (givenUp[index] === true) return !this.repeats.allow(event);
      return isWhole && isWithin(state, event.seq) ? true : undefined;
    });
    const open = events.filter((_, index) => kept[index] === undefined);
    if (open.length === 0) return kept.map((isKept) => isKept === true);
    const found = await this.lookFor(open, state);
    return kept.map((isKept, index) => isKept ?? found.has(events[index] as SentEvent));
  }

  /** Events whose message may have left the stream. @returns those that are kept all the same */
  private async lookFor(events: readonly SentEvent[], state: StreamState): Promise<Set<SentEvent>> {
    const stored = await this.fromLedger(events, (ledger) => ledger.stored(events));
    const kept = new Set(events.filter((_, index) => stored[index]));
    const left = events.filter((event) => !kept.has(event) && isWithin(state, event.seq));
    for (let at = 0; at < left.length; at += LOOKS_AT_ONCE_MAX) {
      const some = left.slice(at, at + LOOKS_AT_ONCE_MAX);
      const isThere = await Promise.all(some.map(({ seq }) => this.isInStream(seq)));
      for (const [index, event] of some.entries()) if (isThere[index]) kept.add(event);
    }
    return kept;
  }

  private async streamState(): Promise<StreamState | 'not-told'> {
    try {
      return (await (await this.manager()).streams.info(this.stream)).state;
    } catch (error) {
      if (publishFailure(error).retry) throw error;
      return 'not-told';
    }
  }

  private async isInStream(seq: number): Promise<boolean> {
    return (await (await this.manager()).streams.getMessage(this.stream, { seq })) !== null;
  }

  /** What cannot be told is `false` for each. */
  private async fromLedger(
    events: readonly unknown[],
    ask: (ledger: EventLedger) => Promise<readonly boolean[]>,
  ): Promise<readonly boolean[]> {
    const unknown = events.map(() => false);
    if (this.ledger === undefined || performance.now() < this.ledgerFrom) return unknown;
    try {
      return await withinMs(LEDGER_MS_MAX, ask(this.ledger));
    } catch {
      this.ledgerFrom = performance.now() + LEDGER_REST_MS;
      return unknown;
    }
  }
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

function isWithin(state: StreamState, seq: number): boolean {
  return state.messages > 0 && seq >= state.first_seq && seq <= state.last_seq;
}

async function withinMs<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
