import { bigintColumn, booleanColumn, jsonbColumn, readBigints } from '#postgres';
import type { Message } from '../delivery.js';
import type { Effect, EventEffect, Transaction } from '../effect.js';
import type { Outcome } from '../outcome.js';
import { ForeignSequenceError } from './foreign-sequence.js';
import type { HandlerSession } from './handler-session.js';
import { divide } from './identity-order.js';
import type { InboxStatements } from './inbox-statements.js';
import type { PlainRepeat } from './lookup.js';
import { claimColumns, identityColumns, publishedColumn } from './message-columns.js';

const DUPLICATE: Outcome = { kind: 'duplicate', conflict: false };
const ALREADY_PROCESSED: Outcome = { kind: 'already-processed' };

/** Decides on messages whose ids took effect before. */
export class Repeats<E> {
  constructor(private readonly effect: Effect<E> | EventEffect<E>) {}

  /**
   * Classifies messages whose id is known: already processed, a duplicate, different content, or another
   * history.
   *
   * @param statements those of the generation that has the ids
   */
  async record(
    transaction: Transaction,
    statements: InboxStatements,
    messages: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
    session: HandlerSession,
  ): Promise<void> {
    const { rows } = await transaction.query<Record<'recorded' | 'differing' | 'foreign', string | null>>(
      statements.recordRepeats,
      [...claimColumns(transaction, messages), publishedColumn(messages)],
    );
    const { recorded = null, differing = null, foreign = null } = rows[0] ?? {};
    if (foreign !== null) throw new ForeignSequenceError(readBigints(foreign));
    // Messages that the answer does not name were processed before, by this worker or by one that it waited
    // for.
    for (const { delivery } of messages) outcomes.set(delivery.seq, ALREADY_PROCESSED);
    for (const seq of readBigints(recorded)) outcomes.set(seq, DUPLICATE);
    if (differing === null) return;
    const [candidates] = divide(messages, new Set(readBigints(differing)));
    const conflicts = await this.conflictsAmong(candidates, session);
    await this.recordDuplicates(transaction, statements, candidates, conflicts, outcomes);
  }

  /**
   * Records messages that a lookup found to be repeats.
   *
   * @throws a unique violation, when another transaction records one of them at the same moment
   */
  async insert(
    transaction: Transaction,
    { insertRepeats }: InboxStatements,
    repeats: readonly PlainRepeat<E>[],
    outcomes: Map<number, Outcome>,
  ): Promise<void> {
    const messages = repeats.map(({ message }) => message);
    for (const { delivery } of messages) outcomes.set(delivery.seq, DUPLICATE);
    await transaction.query(insertRepeats, [
      transaction.streamId,
      ...identityColumns(messages),
      bigintColumn(repeats.map(({ firstStreamId }) => firstStreamId)),
      bigintColumn(repeats.map(({ firstSeq }) => firstSeq)),
      publishedColumn(messages),
    ]);
  }

  private async conflictsAmong(
    differing: readonly Message<E>[],
    session: HandlerSession,
  ): Promise<ReadonlySet<number>> {
    const { effect } = this;
    const find = effect.findConflicts?.bind(effect);
    if (find) return session.call((on) => find(differing, on));
    return new Set(differing.map((message) => message.delivery.seq));
  }

  private async recordDuplicates(
    transaction: Transaction,
    statements: InboxStatements,
    repeats: readonly Message<E>[],
    conflicts: ReadonlySet<number>,
    outcomes: Map<number, Outcome>,
  ): Promise<void> {
    const isConflict = (message: Message<E>): boolean => conflicts.has(message.delivery.seq);
    const { rows } = await transaction.query<{ seq: number }>(statements.recordDuplicates, [
      transaction.streamId,
      ...identityColumns(repeats),
      booleanColumn(repeats.map(isConflict)),
      jsonbColumn(
        repeats.map((message) => (isConflict(message) ? (this.effect.contentOf?.(message) ?? null) : null)),
      ),
      publishedColumn(repeats),
    ]);
    // A missing sequence was recorded by another worker while this one waited for it.
    const recorded = new Set(rows.map((row) => row.seq));
    for (const message of repeats) {
      const { seq } = message.delivery;
      if (recorded.has(seq)) outcomes.set(seq, { kind: 'duplicate', conflict: isConflict(message) });
    }
  }
}
