/**
 * The inbox: decides, in one transaction with the effect, what every message of a batch is.
 *
 *   claim ids ─▶ apply the effect to the new ones ─▶ look again at the others ─▶ count ─▶ COMMIT
 *
 * Promise: the effect, the ledger row and the count of a message commit together, and a message has one ledger
 * row whatever is repeated. A failure leaves nothing behind. If the connection breaks during the commit, the
 * caller repeats the batch: what had been committed comes back as `settled`.
 *
 * Known in the literature as the idempotent receiver, or inbox, pattern.
 */
import type { Pool } from 'pg';
import type { Message, Poison } from '../delivery.js';
import type { Effect, Transaction } from '../effect.js';
import type { Outcome } from '../outcome.js';
import { inboxStatements, type InboxStatements, type InboxTables } from './inbox-statements.js';
import { type Tally, tally } from './tally.js';
import { inTransaction } from './transaction.js';

/** The sequence is known under another identity: it belongs to another making of the stream. */
export class ForeignSequenceError extends Error {
  override readonly name = 'ForeignSequenceError';
  constructor(seqs: readonly number[]) {
    super(`sequences ${seqs.slice(0, 5).join(', ')} are known under other ids: the stream was made anew`);
  }
}

/** What to decide on together. A sequence occurs once. */
export interface Batch<E> {
  readonly messages: readonly Message<E>[];
  readonly poison: readonly Poison[];
  /** Messages whose attempts were counted: the count goes with the outcome. */
  readonly suspects?: readonly number[];
}

/** The inbox of one consumer. */
export class Inbox<E> {
  private readonly statements: InboxStatements;

  constructor(
    private readonly pool: Pool,
    tables: InboxTables,
    private readonly effect: Effect<E>,
  ) {
    this.statements = inboxStatements(tables);
  }

  /** Decides on a batch and commits it. @returns the outcome of each sequence */
  async process(streamId: number, batch: Batch<E>): Promise<Map<number, Outcome>> {
    const begin = this.statements.begin(streamId, batch.poison.length > 0);
    return inTransaction(this.pool, streamId, begin, async (transaction) => {
      const outcomes = new Map<number, Outcome>();
      await this.store(transaction, sortedByIdentity(batch.messages), outcomes);
      await this.bury(transaction, batch.poison, outcomes);
      if (batch.suspects?.length)
        await transaction.query(this.statements.clearAttempts, [streamId, batch.suspects]);
      await this.count(transaction, tally(batch, outcomes));
      return outcomes;
    });
  }

  /** Notes that a message is about to be processed alone. @returns attempts begun, and those of them that ended */
  async startAttempt(streamId: number, seq: number): Promise<{ started: number; finished: number }> {
    const { rows } = await this.pool.query<{ started: number; finished: number }>(
      this.statements.startAttempt,
      [streamId, seq],
    );
    return rows[0] ?? { started: 1, finished: 0 };
  }

  /** Notes that a message failed alone, without ending the process. @returns how many times it has */
  async failAttempt(streamId: number, seq: number, error: string): Promise<number> {
    const { rows } = await this.pool.query<{ finished: number }>(this.statements.failAttempt, [
      streamId,
      seq,
      storableText(error),
    ]);
    return rows[0]?.finished ?? 1;
  }

  private async store(
    transaction: Transaction,
    messages: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
  ): Promise<void> {
    if (messages.length === 0) return;
    const { rows } = await transaction.query<{ seq: number }>(this.statements.claim, [
      transaction.streamId,
      messages.map((message) => message.topic),
      messages.map((message) => message.eventId),
      messages.map((message) => message.delivery.seq),
      messages.map((message) => message.digest.toString()),
    ]);
    for (const { seq } of rows) outcomes.set(seq, { kind: 'stored' });
    const fresh = messages.filter((message) => outcomes.has(message.delivery.seq));
    const others = messages.filter((message) => !outcomes.has(message.delivery.seq));
    if (fresh.length > 0) await this.effect.apply(fresh, transaction);
    if (others.length > 0) await this.lookAgain(transaction, others, outcomes);
  }

  private async lookAgain(
    transaction: Transaction,
    messages: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
  ): Promise<void> {
    const { rows } = await transaction.query<{ seq: number; digest: string | null; settled: boolean }>(
      this.statements.lookAgain,
      [
        transaction.streamId,
        messages.map((message) => message.topic),
        messages.map((message) => message.eventId),
        messages.map((message) => message.delivery.seq),
      ],
    );
    const known = new Map(rows.map((row) => [row.seq, row]));
    const foreign = rows.filter((row) => !row.settled && row.digest === null).map((row) => row.seq);
    if (foreign.length > 0) throw new ForeignSequenceError(foreign);
    for (const row of rows) if (row.settled) outcomes.set(row.seq, { kind: 'settled' });
    const repeats = messages.filter((message) => !outcomes.has(message.delivery.seq));
    const differing = repeats.filter(
      (message) => known.get(message.delivery.seq)?.digest !== message.digest.toString(),
    );
    await this.recordDuplicates(
      transaction,
      repeats,
      await this.conflictsAmong(transaction, differing),
      outcomes,
    );
  }

  private async conflictsAmong(
    transaction: Transaction,
    differing: readonly Message<E>[],
  ): Promise<ReadonlySet<number>> {
    if (differing.length === 0) return new Set();
    if (this.effect.findConflicts) return this.effect.findConflicts(differing, transaction);
    return new Set(differing.map((message) => message.delivery.seq));
  }

  private async recordDuplicates(
    transaction: Transaction,
    repeats: readonly Message<E>[],
    conflicts: ReadonlySet<number>,
    outcomes: Map<number, Outcome>,
  ): Promise<void> {
    if (repeats.length === 0) return;
    const isConflict = (message: Message<E>): boolean => conflicts.has(message.delivery.seq);
    const { rows } = await transaction.query<{ seq: number }>(this.statements.recordDuplicates, [
      transaction.streamId,
      repeats.map((message) => message.topic),
      repeats.map((message) => message.eventId),
      repeats.map((message) => message.delivery.seq),
      repeats.map(isConflict),
      repeats.map((message) => (isConflict(message) ? (this.effect.contentOf?.(message) ?? null) : null)),
      repeats.map((message) => message.delivery.publishedAt.toISOString()),
    ]);
    const recorded = new Set(rows.map((row) => row.seq));
    for (const message of repeats) {
      const { seq } = message.delivery;
      // Not recorded by us: another worker recorded the same delivery while we waited for it.
      outcomes.set(
        seq,
        recorded.has(seq) ? { kind: 'duplicate', conflict: isConflict(message) } : { kind: 'settled' },
      );
    }
  }

  private async bury(
    transaction: Transaction,
    poison: readonly Poison[],
    outcomes: Map<number, Outcome>,
  ): Promise<void> {
    if (poison.length === 0) return;
    const { rows } = await transaction.query<{ seq: number }>(this.statements.recordDeadLetters, [
      transaction.streamId,
      poison.map(({ delivery }) => delivery.seq),
      poison.map(({ topic }) => topic),
      poison.map(({ eventId }) => (eventId === undefined ? null : storableText(eventId))),
      poison.map(({ delivery }) => storableText(delivery.subject)),
      poison.map(({ reason }) => reason),
      poison.map(({ detail }) => storableText(detail)),
      poison.map(({ delivery }) => delivery.headersText() ?? null),
      poison.map(({ delivery }) => Buffer.from(delivery.data)),
      poison.map(({ delivery }) => delivery.deliveryCount),
      poison.map(({ delivery }) => delivery.publishedAt.toISOString()),
    ]);
    const buried = new Set(rows.map((row) => row.seq));
    for (const { delivery, reason } of poison) {
      outcomes.set(
        delivery.seq,
        buried.has(delivery.seq) ? { kind: 'dead-letter', reason } : { kind: 'settled' },
      );
    }
  }

  private async count(transaction: Transaction, rows: readonly Tally[]): Promise<void> {
    if (rows.length === 0) return;
    await transaction.query(this.statements.count, [
      transaction.streamId,
      rows.map((row) => row.topic),
      rows.map((row) => row.stored),
      rows.map((row) => row.duplicates),
      rows.map((row) => row.conflicts),
      rows.map((row) => row.deadLetters),
      rows.map((row) => row.redelivered),
    ]);
  }
}

/** Postgres keeps neither NUL nor half surrogate pairs; in a description they may be replaced. */
function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD').slice(0, 4_000);
}

function sortedByIdentity<E>(messages: readonly Message<E>[]): Message<E>[] {
  return [...messages].sort(
    (a, b) => compare(a.topic, b.topic) || compare(a.eventId, b.eventId) || a.delivery.seq - b.delivery.seq,
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
