/**
 * The twin of the inbox that keeps everything in memory: for tests of handlers without servers.
 *
 * It decides as `Inbox` does, and calls the handler by the same rules; decider.conformance.int.spec.ts holds both to it. What
 * is Postgres' own is not there: constraints, types and locks of the handler's tables. Batches are decided one after the other.
 */
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

/** What one batch adds, until it is committed. */
interface Draft<E> {
  readonly outcomes: Map<number, Outcome>;
  readonly fresh: Message<E>[];
  readonly differing: Message<E>[];
  readonly keys: Map<string, Key>;
  readonly foreign: number[];
}

/** An inbox without a database. See the head of this file. */
export class MemoryInbox<E> implements BatchInbox<E> {
  /** Statements that were committed, in order. */
  readonly committed: TestStatement[] = [];
  /** Dead letters, in order. */
  readonly deadLetters: PoisonMessage[] = [];
  private readonly keys = new Map<string, Key>();
  /** When what took effect was published, by stream and sequence, and when duplicates and dead letters were. */
  private readonly stored = new Map<string, number>();
  private readonly others = new Map<string, number>();
  private readonly attempts = new Map<string, AttemptFigures>();
  private last: Promise<unknown> = Promise.resolve();

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
    // Its first says no more than that it was watched.
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
      const draft = this.look(streamId, sortedByIdentity(batch.messages));
      const buried = this.lookAtPoison(streamId, batch.poison, draft);
      if (draft.foreign.length > 0) throw new ForeignSequenceError(draft.foreign);
      if (draft.fresh.length > 0) await session.apply(this.effect, draft.fresh);
      await this.compare(draft, session);
      transaction.commit();
      if (isKept) this.keep(streamId, batch, draft, buried, transaction.statements);
      return draft.outcomes;
    } catch (error) {
      throw session.blame(error);
    }
  }

  /** What each message is: new, a repeat, known from before, or another one under a sequence that is known. */
  private look(streamId: number, messages: readonly Message<E>[]): Draft<E> {
    const draft: Draft<E> = { outcomes: new Map(), fresh: [], differing: [], keys: new Map(), foreign: [] };
    for (const message of messages) this.lookAt(streamId, message, draft);
    return draft;
  }

  private lookAt(streamId: number, message: Message<E>, draft: Draft<E>): void {
    const { seq, publishedAt } = message.delivery;
    const [place, identity] = [placeOf(streamId, seq), identityOf(message)];
    const key = draft.keys.get(identity) ?? this.keys.get(identity);
    const known = this.stored.get(place) ?? this.others.get(place);
    if (known !== undefined) {
      draft.outcomes.set(seq, { kind: 'settled' });
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

  private lookAtPoison(
    streamId: number,
    poison: readonly PoisonMessage[],
    { outcomes, foreign }: Draft<E>,
  ): PoisonMessage[] {
    return poison.filter(({ delivery: { seq, publishedAt }, reason }) => {
      const place = placeOf(streamId, seq);
      const known = this.stored.get(place) ?? this.others.get(place);
      if (known !== undefined && known !== publishedAt.getTime()) foreign.push(seq);
      const isNew = known === undefined;
      outcomes.set(seq, isNew ? { kind: 'dead-letter', reason } : { kind: 'settled' });
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
    buried: readonly PoisonMessage[],
    statements: readonly TestStatement[],
  ): void {
    this.committed.push(...statements);
    this.deadLetters.push(...buried);
    for (const [identity, key] of keys) {
      this.keys.set(identity, key);
      this.stored.set(key.place, key.publishedMs);
    }
    const dated = [...batch.messages, ...buried].map(({ delivery }) => delivery);
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

/** A topic has no space in it. */
function identityOf({ topic, eventId }: Message<unknown>): string {
  return `${topic} ${eventId}`;
}
