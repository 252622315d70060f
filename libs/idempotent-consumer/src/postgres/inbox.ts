/**
 * The inbox: decides, in one transaction with the effect, what every message of a batch is.
 *
 *   claim ids ─▶ apply the effect to the new ones, look again at the others ─▶ count, COMMIT
 *
 * Promise: the effect, the ledger row and the count of a message commit together, and a message has one ledger
 * row whatever is repeated. A failure leaves nothing behind. If the connection breaks during the commit, the
 * caller repeats the batch: what had been committed comes back as `settled`.
 *
 * How ids are claimed follows from what was lately met (caution.ts): inserting them plainly costs least and fails as soon as
 * one is there already; looking each up first, 1.9 µs more a row; inserting them `ON CONFLICT`, on approval, 1.5 µs more than
 * that. Where one way is refused by the unique constraint, the batch is decided once more by the next.
 *
 * Known in the literature as the idempotent receiver, or inbox, pattern.
 */
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
import { Caution, type ClaimWay } from './caution.js';
import { bury, storableText } from './dead-letters.js';
import { divide, firstsAndRepeats, repeatsOfUnclaimed, sortedByIdentity } from './identity-order.js';
import { HandlerSession, type HandlerSettings } from './handler-session.js';
import { IdsAtWork } from './ids-at-work.js';
import { inboxStatements, type InboxStatements } from './inbox-statements.js';
import type { InboxTables } from './inbox-tables.js';
import { rehearsalOf } from './rehearsal.js';
import { type Tally, tally } from './tally.js';
import { ForeignSequenceError, refuseSuperseded } from './foreign-sequence.js';
import { inTransaction, type Statement, together } from './transaction.js';

/** An id was taken to be new whose message had been given up as a dead letter. */
class NotAllNewError extends Error {}

// Most outcomes are one of these; nobody changes an outcome.
const STORED: Outcome = { kind: 'stored' };
const DUPLICATE: Outcome = { kind: 'duplicate', conflict: false };
const SETTLED: Outcome = { kind: 'settled' };
const POSTPONED: Outcome = { kind: 'postponed' };

/** The inbox of one consumer. */
export class Inbox<E> implements BatchInbox<E> {
  private readonly statements: InboxStatements;
  private readonly caution = new Caution();
  private readonly idsAtWork = new IdsAtWork();

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
   * @param statementMsMax a bound on its statements, where it is not that of the pool's connections
   * @returns the outcome of each sequence; those that are `postponed` belong into a later batch
   */
  async process(streamId: number, batch: Batch<E>, statementMsMax?: number): Promise<Map<number, Outcome>> {
    for (;;) {
      const { way } = this.caution;
      try {
        const outcomes = await this.decide(streamId, batch, way, statementMsMax);
        this.caution.wasEnough(way, () => hasRepeats(outcomes));
        return outcomes;
      } catch (error) {
        if (way === 'waiting' || !this.isClaimRefused(error)) throw error;
        this.caution.wasNotEnough(way);
      }
    }
  }

  /** An effect may have unique constraints of its own. */
  private isClaimRefused(error: unknown): boolean {
    if (error instanceof NotAllNewError) return true;
    const { schema, table } = error as { schema?: string; table?: string };
    const names = [`${schema}.${table}`, `"${schema}"."${table}"`];
    return isUniqueViolation(error) && names.includes(this.tables.key);
  }

  private async decide(
    streamId: number,
    batch: Batch<E>,
    way: ClaimWay,
    statementMsMax: number | undefined,
  ): Promise<Map<number, Outcome>> {
    if (way !== 'apart' && way !== 'waiting') return this.decideOn(streamId, batch, way, statementMsMax);
    const { taken, release } = this.idsAtWork.take(batch.messages);
    try {
      const outcomes = await this.decideOn(streamId, { ...batch, messages: taken }, way, statementMsMax);
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
    way: ClaimWay,
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
      await this.store(transaction, sortedByIdentity(batch.messages), outcomes, way, session);
      await bury(transaction, this.statements, batch.poison, outcomes);
      if (batch.suspects?.length)
        await transaction.query(this.statements.clearAttempts, [streamId, batch.suspects]);
      return { result: outcomes, last: this.count(streamId, tally(batch, outcomes)) };
    };
    return inTransaction(this.pool, streamId, begin, work, onBegun).catch((error: unknown) => {
      throw session?.blame(error) ?? error;
    });
  }

  /**
   * Goes the whole way with a message that was stored before, under an id and sequences that nothing has, and takes all of
   * it back: it is stored, then repeated, then repeated with another digest, and counted.
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
      // What a commit would check is checked now.
      await transaction.query('SET CONSTRAINTS ALL IMMEDIATE');
      return { result: undefined, last: undefined };
    };
    const begin = this.statements.begin(streamId, [], false);
    await inTransaction(this.pool, streamId, begin, work, undefined, 'ROLLBACK');
  }

  /** Notes that a message is about to be processed alone. @returns attempts begun, and those of them that ended */
  async startAttempt(streamId: number, seq: number): Promise<AttemptFigures> {
    const { rows } = await this.pool.query<AttemptFigures>(this.statements.startAttempt, [streamId, seq]);
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

  /** Takes back the start of an attempt that came to no end of the message's own, as when the store is at fault. */
  async withdrawAttempt(streamId: number, seq: number): Promise<void> {
    // Its first says no more than that it was watched.
    const { rowCount } = await this.pool.query(this.statements.endWatch, [streamId, [seq], 1]);
    if (rowCount === 0) await this.pool.query(this.statements.withdrawAttempt, [streamId, seq]);
  }

  /** Notes that messages are processed in company. @returns those of which nothing was noted before */
  async watch(streamId: number, seqs: readonly number[]): Promise<ReadonlySet<number>> {
    const { rows } = await this.pool.query<{ seq: number }>(this.statements.watch, [streamId, seqs]);
    return new Set(rows.map(({ seq }) => seq));
  }

  /** Forgets what was noted so: the process has not ended over them. */
  async endWatch(streamId: number, seqs: readonly number[]): Promise<void> {
    await this.pool.query(this.statements.endWatch, [streamId, seqs, 0]);
  }

  private async store(
    transaction: Transaction,
    messages: readonly Message<E>[],
    outcomes: Map<number, Outcome>,
    way: ClaimWay,
    session: HandlerSession,
  ): Promise<void> {
    if (messages.length === 0) return;
    if (way === 'plain') return this.storeAsNew(transaction, messages, outcomes, session);
    const claimed = await this.claimIds(transaction, messages, way);
    const isAllNew = claimed.length === messages.length;
    const [fresh, others] = isAllNew ? [messages, []] : divide(messages, new Set(claimed));
    await this.applyAndRecord(transaction, fresh, others, outcomes, session);
  }

  /** Takes every id to be new, so that nothing needs to wait for the claim's answer. It refuses the batch where one is not. */
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
    // If it fails, that is why, whatever comes of the rest.
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

  /** @returns the sequences of those messages that are the first of their id, and were not given up before */
  private async claimIds(
    transaction: Transaction,
    messages: readonly Message<E>[],
    way: Exclude<ClaimWay, 'plain'>,
  ): Promise<readonly number[]> {
    if (way === 'waiting') return this.claim(transaction, messages, this.statements.claim);
    const [firsts] = firstsAndRepeats(messages);
    const claimed = await this.claim(transaction, firsts, this.statements.claimUnseen);
    if (claimed.length === firsts.length || firsts.length === messages.length) return claimed;
    // The first of an id had been given up as a dead letter: one of those behind it may be the first then.
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

  /** Of messages whose id was there already: what was settled before, what repeats, what differs, what is foreign. */
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
    // What is not named in the answer was settled before, by us or by another worker that we waited for.
    for (const { delivery } of messages) outcomes.set(delivery.seq, SETTLED);
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
    // Not recorded by us: another worker recorded the same delivery while we waited for it.
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

/** Whether an id was there before, or twice in the batch. */
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

/** What a claim, and the look at what was not claimed, begin with. */
function claimColumns({ streamId }: Transaction, messages: readonly Message<unknown>[]): unknown[] {
  return [streamId, ...identityColumns(messages), bigintColumn(messages.map((message) => message.digest))];
}
