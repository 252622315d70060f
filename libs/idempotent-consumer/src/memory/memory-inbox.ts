import type { AttemptFigures, Batch, BatchInbox } from '../batch-inbox.js';
import type { Message, PoisonMessage } from '../delivery.js';
import type { Effect, EventEffect } from '../effect.js';
import type { Outcome } from '../outcome.js';
import { ForeignSequenceError } from '../postgres/foreign-sequence.js';
import { HandlerSession, type HandlerSettings } from '../postgres/handler-session.js';
import { sortedByIdentity } from '../postgres/identity-order.js';
import { rehearsalOf } from '../postgres/rehearsal.js';
import { type Answer, MemoryTransaction, type TestStatement } from './memory-transaction.js';

interface Key {
  readonly place: string;
  readonly digest: bigint;
  readonly publishedMs: number;
}

/** What one batch adds when it is committed. */
interface Draft<E> {
  readonly outcomes: Map<number, Outcome>;
  readonly fresh: Message<E>[];
  readonly differing: Message<E>[];
  readonly keys: Map<string, Key>;
  readonly foreign: number[];
}

/**
 * The in-memory twin of the inbox, for tests of handlers without servers.
 *
 * It decides as `Inbox` does, and calls the handler by the same rules. decider.conformance.int.spec.ts checks
 * both. It has none of Postgres' own behaviour: no constraints, types or locks of the handler's tables.
 * Batches are decided one after the other.
 */
export class MemoryInbox<E> implements BatchInbox<E> {
  /** The committed statements, in order. */
  readonly committed: TestStatement[] = [];
  /** The dead letters, in order. */
  readonly deadLetters: PoisonMessage[] = [];
  private readonly keys = new Map<string, Key>();
  /**
   * Publishing times by stream and sequence: `stored` of events that took effect, `others` of duplicates and
   * dead letters.
   */
  private readonly stored = new Map<string, number>();
  private readonly others = new Map<string, number>();
  private readonly attempts = new Map<string, AttemptFigures>();
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @param effect it is called as `Inbox` would call it
   * @param handler its name in errors, and its time limit
   * @param answer answers the effect's statements; with no rows by default
   */
  constructor(
    private readonly effect: Effect<E> | EventEffect<E>,
    private readonly handler: HandlerSettings = {},
    private readonly answer: Answer = () => undefined,
  ) {}

  process(streamId: number, batch: Batch<E>, statementMsMax?: number): Promise<Map<number, Outcome>> {
    const decided = this.last.then(() => this.decide(streamId, batch, statementMsMax, true));
    this.last = decided.catch(() => undefined);
    return decided;
  }

  async rehearse(streamId: number, message: Message<E>): Promise<void> {
    await this.decide(streamId, { messages: rehearsalOf(message), poison: [] }, undefined, false);
  }

  startAttempt(streamId: number, seq: number): Promise<AttemptFigures> {
    const { started, finished } = this.attemptsAt(streamId, seq);
    return Promise.resolve(this.note(streamId, seq, started + 1, finished));
  }

  failAttempt(streamId: number, seq: number): Promise<number> {
    const { started, finished } = this.attemptsAt(streamId, seq);
    const noted = this.note(streamId, seq, Math.max(started, finished + 1), finished + 1);
    return Promise.resolve(noted.finished);
  }

  withdrawAttempt(streamId: number, seq: number): Promise<void> {
    const { started, finished } = this.attemptsAt(streamId, seq);
    // A first attempt says no more than the note of `watch`.
    if (started <= 1 && finished === 0) this.attempts.delete(placeOf(streamId, seq));
    else this.note(streamId, seq, Math.max(finished, started - 1), finished);
    return Promise.resolve();
  }

  watch(streamId: number, seqs: readonly number[]): Promise<ReadonlySet<number>> {
    const unknown = seqs.filter((seq) => !this.attempts.has(placeOf(streamId, seq)));
    for (const seq of unknown) this.note(streamId, seq, 0, 0);
    return Promise.resolve(new Set(unknown));
  }

  endWatch(streamId: number, seqs: readonly number[]): Promise<void> {
    for (const seq of seqs) {
      const { started, finished } = this.attemptsAt(streamId, seq);
      if (started + finished === 0) this.attempts.delete(placeOf(streamId, seq));
    }
    return Promise.resolve();
  }

  private async decide(
    streamId: number,
    batch: Batch<E>,
    msMax: number | undefined,
    isKept: boolean,
  ): Promise<Map<number, Outcome>> {
    const transaction = new MemoryTransaction(streamId, this.answer);
    const session = new HandlerSession(transaction, this.handler, msMax);
    try {
      const draft = this.classify(streamId, sortedByIdentity(batch.messages));
      const recorded = this.classifyPoison(streamId, batch.poison, draft);
      if (draft.foreign.length > 0) throw new ForeignSequenceError(draft.foreign);
      if (draft.fresh.length > 0) await session.apply(this.effect, draft.fresh);
      await this.compare(draft, session);
      transaction.commit();
      if (isKept) this.keep(streamId, batch, draft, recorded, transaction.statements);
      return draft.outcomes;
    } catch (error) {
      throw session.blame(error);
    }
  }

  /**
   * Classifies each message: new, a duplicate, already processed, or another message under a known sequence.
   */
  private classify(streamId: number, messages: readonly Message<E>[]): Draft<E> {
    const draft: Draft<E> = { outcomes: new Map(), fresh: [], differing: [], keys: new Map(), foreign: [] };
    for (const message of messages) this.classifyOne(streamId, message, draft);
    return draft;
  }

  private classifyOne(streamId: number, message: Message<E>, draft: Draft<E>): void {
    const { seq, publishedAt } = message.delivery;
    const [place, identity] = [placeOf(streamId, seq), identityOf(message)];
    const key = draft.keys.get(identity) ?? this.keys.get(identity);
    const known = this.stored.get(place) ?? this.others.get(place);
    if (known !== undefined) {
      draft.outcomes.set(seq, { kind: 'already-processed' });
      if (known !== publishedAt.getTime()) draft.foreign.push(seq);
    } else if (key === undefined) {
      draft.outcomes.set(seq, { kind: 'stored' });
      draft.fresh.push(message);
      draft.keys.set(identity, { place, digest: message.digest, publishedMs: publishedAt.getTime() });
    } else {
      draft.outcomes.set(seq, { kind: 'duplicate', conflict: false });
      if (key.digest !== message.digest) draft.differing.push(message);
    }
  }

  private classifyPoison(
    streamId: number,
    poison: readonly PoisonMessage[],
    { outcomes, foreign }: Draft<E>,
  ): PoisonMessage[] {
    return poison.filter(({ delivery: { seq, publishedAt }, reason }) => {
      const place = placeOf(streamId, seq);
      const known = this.stored.get(place) ?? this.others.get(place);
      if (known !== undefined && known !== publishedAt.getTime()) foreign.push(seq);
      const isNew = known === undefined;
      outcomes.set(seq, isNew ? { kind: 'dead-letter', reason } : { kind: 'already-processed' });
      return isNew;
    });
  }

  private async compare({ differing, outcomes }: Draft<E>, session: HandlerSession): Promise<void> {
    if (differing.length === 0) return;
    const { effect } = this;
    const find = effect.findConflicts?.bind(effect);
    const conflicts = find
      ? await session.call((on) => find(differing, on))
      : new Set(differing.map(({ delivery }) => delivery.seq));
    for (const seq of conflicts) outcomes.set(seq, { kind: 'duplicate', conflict: true });
  }

  private keep(
    streamId: number,
    batch: Batch<E>,
    { outcomes, keys }: Draft<E>,
    recorded: readonly PoisonMessage[],
    statements: readonly TestStatement[],
  ): void {
    this.committed.push(...statements);
    this.deadLetters.push(...recorded);
    for (const [identity, key] of keys) {
      this.keys.set(identity, key);
      this.stored.set(key.place, key.publishedMs);
    }
    const dated = [...batch.messages, ...recorded].map(({ delivery }) => delivery);
    for (const { seq, publishedAt } of dated)
      if (['duplicate', 'dead-letter'].includes(outcomes.get(seq)?.kind ?? ''))
        this.others.set(placeOf(streamId, seq), publishedAt.getTime());
    for (const seq of batch.suspects ?? []) this.attempts.delete(placeOf(streamId, seq));
  }

  private attemptsAt(streamId: number, seq: number): AttemptFigures {
    return this.attempts.get(placeOf(streamId, seq)) ?? { started: 0, finished: 0 };
  }

  private note(streamId: number, seq: number, started: number, finished: number): AttemptFigures {
    const figures = { started, finished };
    this.attempts.set(placeOf(streamId, seq), figures);
    return figures;
  }
}

function placeOf(streamId: number, seq: number): string {
  return `${streamId}:${seq}`;
}

/** A topic contains no space. */
function identityOf({ topic, eventId }: Message<unknown>): string {
  return `${topic} ${eventId}`;
}
