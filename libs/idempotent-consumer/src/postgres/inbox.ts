import type { Pool, QueryResult } from 'pg';
import {
  bigintColumn,
  booleanColumn,
  isUniqueViolation,
  jsonbColumn,
  readBigints,
  textColumn,
  timestampColumn,
} from '#postgres';
import type { AttemptFigures, Batch, BatchInbox } from '../batch-inbox.js';
import type { Message } from '../delivery.js';
import type { Effect, EventEffect, Transaction } from '../effect.js';
import type { Outcome } from '../outcome.js';
import { ClaimStrategyChoice, type ClaimStrategy } from './claim-strategy.js';
import { recordDeadLetters, storableText } from './dead-letters.js';
import { divide, firstsAndRepeats, repeatsOfUnclaimed, sortedByIdentity } from './identity-order.js';
import { HandlerSession, type HandlerSettings } from './handler-session.js';
import { InFlightIds } from './in-flight-ids.js';
import { inboxStatements, type InboxStatements } from './inbox-statements.js';
import type { InboxTables } from './inbox-tables.js';
import { rehearsalOf } from './rehearsal.js';
import { type Tally, tally } from './tally.js';
import { ForeignSequenceError, refuseSuperseded } from './foreign-sequence.js';
import { inTransaction, type Statement, together } from './transaction.js';

/** An id was assumed to be new, but its message had been given up as a dead letter. */
class NotAllNewError extends Error {}

// Most outcomes are one of these shared objects, which no code changes.
const STORED: Outcome = { kind: 'stored' };
const DUPLICATE: Outcome = { kind: 'duplicate', conflict: false };
const ALREADY_PROCESSED: Outcome = { kind: 'already-processed' };
const POSTPONED: Outcome = { kind: 'postponed' };

/**
 * The inbox of one consumer. In one transaction with the effect, it decides on every message of a batch.
 *
 *   claim ids ─▶ apply the effect to new events, classify the others ─▶ count, COMMIT
 *
 * Promise: the effect, the inbox row and the count of a message commit together, and a message has one row
 * whatever is repeated. A failure leaves nothing behind. If the connection breaks during the commit, the
 * caller repeats the batch. Messages that were committed then have the outcome `already-processed`.
 *
 * The claim strategy follows from recent batches (claim-strategy.ts). A plain insert costs least, and fails
 * as soon as an id exists already. A lookup of each id first costs 1.9 µs more a row. An insert with `ON
 * CONFLICT` costs another 1.5 µs. When the unique constraint refuses a batch, it is decided once more with
 * the next strategy.
 *
 * The pattern is the idempotent receiver of Hohpe and Woolf (Enterprise Integration Patterns), also known as
 * inbox.
 */
export class Inbox<E> implements BatchInbox<E> {
  private readonly statements: InboxStatements;
  private readonly strategies = new ClaimStrategyChoice();
  private readonly inFlight = new InFlightIds();

  /**
   * @param tables the tables of `createInbox`, or a program's own
   * @param effect it is called in the inbox's transaction, once for each event that takes effect
   * @param handler how the effect is called: its name in errors, and its time limit
   */
  constructor(
    private readonly pool: Pool,
    private readonly tables: InboxTables,
    private readonly effect: Effect<E> | EventEffect<E>,
    private readonly handler: HandlerSettings = {},
  ) {
    this.statements = inboxStatements(this.tables);
  }

  /**
   * Decides on a batch and commits it.
   *
   * @param statementMsMax a bound on its statements in milliseconds, if it is not that of the pool's
   *   connections
   * @returns the outcome of each sequence; `postponed` ones belong into a later batch
   * @throws `HandlerError` for a failure of the handler, and `ForeignSequenceError` when a sequence is known
   *   as another message
   */
  async process(streamId: number, batch: Batch<E>, statementMsMax?: number): Promise<Map<number, Outcome>> {
    for (;;) {
      const { current: strategy } = this.strategies;
      try {
        const outcomes = await this.decide(streamId, batch, strategy, statementMsMax);
        this.strategies.wasAccepted(strategy, () => hasRepeats(outcomes));
        return outcomes;
      } catch (error) {
        if (strategy === 'wait' || !this.isClaimRefused(error)) throw error;
        this.strategies.wasRefused(strategy);
      }
    }
  }

  /** An effect may have unique constraints of its own, which refuse no claim. */
  private isClaimRefused(error: unknown): boolean {
    if (error instanceof NotAllNewError) return true;
    const { schema, table } = error as { schema?: string; table?: string };
    const names = [`${schema}.${table}`, `"${schema}"."${table}"`];
    return isUniqueViolation(error) && names.includes(this.tables.key);
  }

  private async decide(
    streamId: number,
    batch: Batch<E>,
    strategy: ClaimStrategy,
    statementMsMax: number | undefined,
  ): Promise<Map<number, Outcome>> {
    if (strategy !== 'defer' && strategy !== 'wait')
      return this.decideOn(streamId, batch, strategy, statementMsMax);
    const { taken, release } = this.inFlight.take(batch.messages);
    try {
      const outcomes = await this.decideOn(streamId, { ...batch, messages: taken }, strategy, statementMsMax);
      for (const { delivery } of batch.messages)
        if (!outcomes.has(delivery.seq)) outcomes.set(delivery.seq, POSTPONED);
      return outcomes;
    } finally {
      release();
    }
  }

  private async decideOn(
    streamId: number,
    batch: Batch<E>,
    strategy: ClaimStrategy,
    statementMsMax: number | undefined,
  ): Promise<Map<number, Outcome>> {
    const seqs = [...batch.messages, ...batch.poison].map(({ delivery }) => delivery.seq);
    const begin = this.statements.begin(streamId, seqs, batch.poison.length > 0, statementMsMax);
    const onBegun = (answers: readonly QueryResult[]): void => {
      refuseSuperseded(answers.at(-1), batch);
    };
    let session: HandlerSession | undefined;
    const work = async (
      transaction: Transaction,
    ): Promise<{ result: Map<number, Outcome>; last: Statement | undefined }> => {
      const outcomes = new Map<number, Outcome>();
      session = new HandlerSession(transaction, this.handler, statementMsMax);
      await this.store(transaction, sortedByIdentity(batch.messages), outcomes, strategy, session);
      await recordDeadLetters(transaction, this.statements, batch.poison, outcomes);
      if (batch.suspects?.length)
        await transaction.query(this.statements.clearAttempts, [streamId, batch.suspects]);
      return { result: outcomes, last: this.count(streamId, tally(batch, outcomes)) };
    };
    return inTransaction(this.pool, streamId, begin, work, onBegun).catch((error: unknown) => {
      throw session?.blame(error) ?? error;
    });
  }

  /**
   * Processes a message that was stored before, under an id and sequences that do not exist, and rolls all of
   * it back. The message is stored, repeated, repeated with another digest, and counted.
   *
   * @throws what every message would meet now; nothing remains in either case
   */
  async rehearse(streamId: number, message: Message<E>): Promise<void> {
    const [fresh, ...repeats] = rehearsalOf(message);
    const work = async (transaction: Transaction): Promise<{ result: undefined; last: undefined }> => {
      const outcomes = new Map<number, Outcome>();
      await this.claim(transaction, [fresh], this.statements.claim);
      const session = new HandlerSession(transaction, this.handler);
      await this.applyAndRecord(transaction, [fresh], [], outcomes, session);
      await this.recordRepeats(transaction, repeats, outcomes, session);
      const counted = this.count(streamId, tally({ messages: [fresh, ...repeats], poison: [] }, outcomes));
      if (counted) await transaction.query(counted.text, counted.values);
      // Deferred constraints are checked now, as a commit would.
      await transaction.query('SET CONSTRAINTS ALL IMMEDIATE');
      return { result: undefined, last: undefined };
    };
    const begin = this.statements.begin(streamId, [], false);
    await inTransaction(this.pool, streamId, begin, work, undefined, 'ROLLBACK');
  }

  /**
   * Notes that a message is about to be processed alone. @returns how many attempts began, and how many of
   * them ended
   */
  async startAttempt(streamId: number, seq: number): Promise<AttemptFigures> {
    const { rows } = await this.pool.query<AttemptFigures>(this.statements.startAttempt, [streamId, seq]);
    return rows[0] ?? { started: 1, finished: 0 };
  }

  /**
   * Notes that a message failed alone, without ending the process. @returns how often it has failed so far
   */
  async failAttempt(streamId: number, seq: number, error: string): Promise<number> {
    const { rows } = await this.pool.query<{ finished: number }>(this.statements.failAttempt, [
      streamId,
      seq,
      storableText(error),
    ]);
    return rows[0]?.finished ?? 1;
  }

  /**
   * Withdraws the start of an attempt that says nothing about the message, for example because the store is
   * at fault.
   */
  async withdrawAttempt(streamId: number, seq: number): Promise<void> {
    // A first attempt says no more than the note of `watch`.
    const { rowCount } = await this.pool.query(this.statements.endWatch, [streamId, [seq], 1]);
    if (rowCount === 0) await this.pool.query(this.statements.withdrawAttempt, [streamId, seq]);
  }

  /** Notes that messages are processed together with others. @returns those that were not noted before */
  async watch(streamId: number, seqs: readonly number[]): Promise<ReadonlySet<number>> {
    const { rows } = await this.pool.query<{ seq: number }>(this.statements.watch, [streamId, seqs]);
    return new Set(rows.map(({ seq }) => seq));
  }

  /** Removes the notes of `watch`, because the work on these messages ended without ending the process. */
  async endWatch(streamId: number, seqs: readonly number[]): Promise<void> {
    await this.pool.query(this.statements.endWatch, [streamId, seqs, 0]);
  }

  private async store(
    transaction: Transaction,
    messages: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
    strategy: ClaimStrategy,
    session: HandlerSession,
  ): Promise<void> {
    if (messages.length === 0) return;
    if (strategy === 'plain') return this.storeAsNew(transaction, messages, outcomes, session);
    const claimed = await this.claimIds(transaction, messages, strategy);
    const isAllNew = claimed.length === messages.length;
    const [fresh, others] = isAllNew ? [messages, []] : divide(messages, new Set(claimed));
    await this.applyAndRecord(transaction, fresh, others, outcomes, session);
  }

  /**
   * Assumes that every id is new, so that no statement waits for the claim's answer. It refuses the batch if
   * one is not.
   */
  private async storeAsNew(
    transaction: Transaction,
    messages: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
    session: HandlerSession,
  ): Promise<void> {
    const [firsts, others] = firstsAndRepeats(messages);
    const claiming = transaction.query(this.statements.claimPlainly, this.claimValues(transaction, firsts));
    const claimed = claiming.then(({ rowCount }) => {
      if (rowCount !== firsts.length) throw new NotAllNewError();
    });
    // If the claim fails, its error is the cause, whatever else fails.
    await together([claimed, this.applyAndRecord(transaction, firsts, others, outcomes, session)]);
  }

  private async applyAndRecord(
    transaction: Transaction,
    fresh: readonly Message<E>[],
    others: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
    session: HandlerSession,
  ): Promise<void> {
    for (const { delivery } of fresh) outcomes.set(delivery.seq, STORED);
    const recorded =
      others.length > 0 ? this.recordRepeats(transaction, others, outcomes, session) : Promise.resolve();
    session.keepApart(recorded);
    await together([fresh.length > 0 ? session.apply(this.effect, fresh) : Promise.resolve(), recorded]);
  }

  /**
   * Claims ids. @returns the sequences of messages that are the first of their id, and were not given up
   * before
   */
  private async claimIds(
    transaction: Transaction,
    messages: readonly Message<E>[],
    strategy: Exclude<ClaimStrategy, 'plain'>,
  ): Promise<readonly number[]> {
    if (strategy === 'wait') return this.claim(transaction, messages, this.statements.claim);
    const [firsts] = firstsAndRepeats(messages);
    const claimed = await this.claim(transaction, firsts, this.statements.claimUnseen);
    if (claimed.length === firsts.length || firsts.length === messages.length) return claimed;
    // The first message of an id had been given up as a dead letter. A repeat may then be the first.
    const left = repeatsOfUnclaimed(messages, new Set(claimed));
    const more = left.length === 0 ? [] : await this.claim(transaction, left, this.statements.claim);
    return [...claimed, ...more];
  }

  private claimValues(transaction: Transaction, messages: readonly Message<E>[]): unknown[] {
    const columns = claimColumns(transaction, messages);
    if (this.tables.keyIsDated === true) columns.push(publishedColumn(messages));
    return columns;
  }

  private async claim(
    transaction: Transaction,
    messages: readonly Message<E>[],
    statement: string,
  ): Promise<readonly number[]> {
    const { rows } = await transaction.query<{ count: number; seqs: string | null }>(
      statement,
      this.claimValues(transaction, messages),
    );
    const { count, seqs } = rows[0] ?? { count: 0, seqs: null };
    return count === messages.length ? messages.map(({ delivery }) => delivery.seq) : readBigints(seqs);
  }

  /**
   * Classifies messages whose id is known: already processed, a duplicate, different content, or another
   * history.
   */
  private async recordRepeats(
    transaction: Transaction,
    messages: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
    session: HandlerSession,
  ): Promise<void> {
    const { rows } = await transaction.query<Record<'recorded' | 'differing' | 'foreign', string | null>>(
      this.statements.recordRepeats,
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
    await this.recordDuplicates(transaction, candidates, conflicts, outcomes);
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
    repeats: readonly Message<E>[],
    conflicts: ReadonlySet<number>,
    outcomes: Map<number, Outcome>,
  ): Promise<void> {
    const isConflict = (message: Message<E>): boolean => conflicts.has(message.delivery.seq);
    const { rows } = await transaction.query<{ seq: number }>(this.statements.recordDuplicates, [
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

  private count(streamId: number, rows: readonly Tally[]): Statement | undefined {
    if (rows.length === 0) return undefined;
    const values = [
      streamId,
      rows.map((row) => row.topic),
      rows.map((row) => row.stored),
      rows.map((row) => row.duplicates),
      rows.map((row) => row.conflicts),
      rows.map((row) => row.deadLetters),
      rows.map((row) => row.redelivered),
    ];
    return { text: this.statements.count, values };
  }
}

/** Whether an id was known before, or occurs twice in the batch. */
function hasRepeats(outcomes: ReadonlyMap<number, Outcome>): boolean {
  for (const outcome of outcomes.values()) if (outcome !== STORED) return true;
  return false;
}

/** Topics, ids and sequences, as the first three arrays of a statement. */
function identityColumns(messages: readonly Message<unknown>[]): Buffer[] {
  return [
    textColumn(messages.map((message) => message.topic)),
    textColumn(messages.map((message) => message.eventId)),
    bigintColumn(messages.map((message) => message.delivery.seq)),
  ];
}

function publishedColumn(messages: readonly Message<unknown>[]): Buffer {
  return timestampColumn(messages.map((message) => message.delivery.publishedAt.getTime()));
}

/** The first parameters of a claim, and of the statement about ids that were not claimed. */
function claimColumns({ streamId }: Transaction, messages: readonly Message<unknown>[]): unknown[] {
  return [streamId, ...identityColumns(messages), bigintColumn(messages.map((message) => message.digest))];
}
