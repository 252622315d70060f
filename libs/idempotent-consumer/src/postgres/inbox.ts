import type { Pool, PoolClient, QueryResult } from 'pg';
import { isClosedGeneration, isUniqueViolation } from '#postgres';
import type { AttemptFigures, Batch, BatchInbox } from '../batch-inbox.js';
import type { Message } from '../delivery.js';
import type { Effect, EventEffect, Transaction } from '../effect.js';
import type { EventOrder } from '../order/event-order.js';
import type { Outcome } from '../outcome.js';
import { ClaimStrategyChoice, type ClaimStrategy } from './claim-strategy.js';
import { Claims, NotAllNewError } from './claims.js';
import { recordDeadLetters, storableText } from './dead-letters.js';
import { divide, firstsAndRepeats, inStreamOrder, sortedByIdentity } from './identity-order.js';
import { HandlerSession, type HandlerSettings } from './handler-session.js';
import { InFlightIds } from './in-flight-ids.js';
import type { InboxStatements } from './inbox-statements.js';
import type { InboxTables } from './inbox-tables.js';
import {
  type DividedByKeys,
  type FiltersFor,
  GenerationRegistry,
  type KeyGenerations,
  type KnownInGeneration,
} from './key-generations.js';
import { type Lookup, findFirsts } from './lookup.js';
import { rehearsalOf } from './rehearsal.js';
import { Repeats } from './repeats.js';
import { type Tally, tally } from './tally.js';
import { refuseSuperseded } from './foreign-sequence.js';
import { inTransaction, type Statement, together } from './transaction.js';

/** A new connection shows other generations of keys than the batch believes in. */
class OtherGenerationsError extends Error {}

// Most outcomes are one of these shared objects, which no code changes.
const STORED: Outcome = { kind: 'stored' };
const POSTPONED: Outcome = { kind: 'postponed' };

const NOTHING_CLOSED = { known: [], held: [] };

/** How a batch is decided. */
interface Manner {
  readonly strategy: ClaimStrategy;
  readonly keys: KeyGenerations;
  /** A bound on its statements in milliseconds, if it is not that of the pool's connections. */
  readonly statementMsMax: number | undefined;
}

/** What the steps of one decision share. */
interface Deciding {
  readonly transaction: Transaction;
  /** Where ids are claimed and looked up. */
  readonly keys: KeyGenerations;
  readonly session: HandlerSession;
  readonly outcomes: Map<number, Outcome>;
}

/**
 * The inbox of one consumer. In one transaction with the effect, it decides on every message of a batch.
 *
 *   claim ids ─▶ apply the effect to new events, classify the others ─▶ count, COMMIT
 *
 * Promise: the effect, the inbox row and the count of a message commit together, and a message has one row
 * whatever is repeated. A failure leaves nothing behind. If the connection breaks during the commit, the
 * caller repeats the batch. Messages that were committed then have the outcome `already-processed`.
 *
 * The claim strategy follows from recent batches (claim-strategy.ts). A plain insert costs least, and fails as
 * soon as an id exists already. A lookup of each id first costs 2.9 µs more a row, and tells repeats at once
 * (lookup.ts). An insert with `ON CONFLICT` costs another 1.5 µs. When the unique constraint refuses a batch, it
 * is decided once more with the next strategy.
 *
 * The pattern is the idempotent receiver of Hohpe and Woolf (Enterprise Integration Patterns), also known as
 * inbox.
 */
export class Inbox<E> implements BatchInbox<E> {
  private readonly statements: InboxStatements;
  private readonly strategies = new ClaimStrategyChoice();
  private readonly inFlight = new InFlightIds();
  private readonly generations: GenerationRegistry;
  private readonly repeats: Repeats<E>;
  /** Connections on which the registry of generations was read. */
  private readonly seen = new WeakSet<PoolClient>();

  /**
   * @param tables the tables of `createInbox`, or a program's own
   * @param effect it is called in the inbox's transaction, once for each event that takes effect
   * @param handler how the effect is called: its name in errors, and its time limit
   * @param filtersFor the filters of closed generations of keys; without it, these are looked up
   * @param order keeps the order of keys, for a consumer that has one
   */
  constructor(
    private readonly pool: Pool,
    private readonly tables: InboxTables,
    private readonly effect: Effect<E> | EventEffect<E>,
    private readonly handler: HandlerSettings = {},
    filtersFor?: FiltersFor,
    private readonly order?: EventOrder,
  ) {
    this.generations = new GenerationRegistry(tables, filtersFor);
    this.statements = this.generations.current.youngest;
    this.repeats = new Repeats(effect);
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
      const { current: keys } = this.generations;
      try {
        const outcomes = await this.decide(streamId, batch, { strategy, keys, statementMsMax });
        this.strategies.wasAccepted(strategy, () => hasRepeats(outcomes));
        return outcomes;
      } catch (error) {
        if (await this.isChanged(error, keys)) continue;
        if (strategy === 'wait' || !this.isClaimRefused(error, keys)) throw error;
        this.strategies.wasRefused(strategy);
      }
    }
  }

  /** An effect may have unique constraints of its own, which refuse no claim. */
  private isClaimRefused(error: unknown, { youngestTable }: KeyGenerations): boolean {
    if (error instanceof NotAllNewError) return true;
    const { schema, table } = error as { schema?: string; table?: string };
    const names = [`${schema}.${table}`, `"${schema}"."${table}"`];
    return (
      isUniqueViolation(error) && [youngestTable, this.tables.duplicate].some((one) => names.includes(one))
    );
  }

  /** Whether an error only says that the keys have begun another generation, which is known now. */
  private async isChanged(error: unknown, keys: KeyGenerations): Promise<boolean> {
    if (error instanceof OtherGenerationsError) return true;
    return isClosedGeneration(error) && this.generations.renew(this.pool, keys);
  }

  /**
   * Has the registry of generations read on each connection before it is used for the first time, and when it was last
   * read long ago.
   *
   * @param keys what the batch believes of the generations
   */
  private readUnseen(keys: KeyGenerations): (client: PoolClient) => Promise<void> | undefined {
    return (client) =>
      this.seen.has(client) && !this.generations.isOld ? undefined : this.readOn(client, keys);
  }

  private async readOn(client: PoolClient, keys: KeyGenerations): Promise<void> {
    await this.generations.readAgain(client);
    this.seen.add(client);
    if (this.generations.current !== keys) throw new OtherGenerationsError();
  }

  private async decide(streamId: number, batch: Batch<E>, how: Manner): Promise<Map<number, Outcome>> {
    if (how.strategy !== 'defer' && how.strategy !== 'wait') return this.decideOn(streamId, batch, how);
    const { taken, release } = this.inFlight.take(batch.messages);
    try {
      const outcomes = await this.decideOn(streamId, { ...batch, messages: taken }, how);
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
    { strategy, keys, statementMsMax }: Manner,
  ): Promise<Map<number, Outcome>> {
    const seqs = [...batch.messages, ...batch.poison].map(({ delivery }) => delivery.seq);
    const begin = this.statements.begin(streamId, seqs, batch.poison.length > 0, statementMsMax);
    const onBegun = (answers: readonly QueryResult[]): void => {
      // What was parked is decided under the incarnation in which it came.
      if (batch.wereParked !== true) refuseSuperseded(answers.at(-1), batch);
    };
    let session: HandlerSession | undefined;
    const work = async (
      transaction: Transaction,
    ): Promise<{ result: Map<number, Outcome>; last: Statement | undefined }> => {
      const outcomes = new Map<number, Outcome>();
      session = new HandlerSession(transaction, this.handler, statementMsMax);
      const on = { transaction, keys, session, outcomes };
      const { messages, poison } = (await this.order?.enter(transaction, batch, outcomes)) ?? batch;
      await this.store(on, sortedByIdentity(messages), strategy);
      await recordDeadLetters(transaction, this.statements, poison, outcomes);
      // What is parked is not decided yet, so its attempts still count.
      const decided = batch.suspects?.filter((seq) => outcomes.get(seq)?.kind !== 'parked') ?? [];
      if (decided.length > 0) await transaction.query(this.statements.clearAttempts, [streamId, decided]);
      await this.order?.leave(transaction, batch, outcomes);
      return { result: outcomes, last: this.count(streamId, tally({ messages, poison }, outcomes)) };
    };
    const onConnected = this.readUnseen(keys);
    return inTransaction(this.pool, streamId, begin, work, { onConnected, onBegun }).catch(
      (error: unknown) => {
        throw session?.blame(error) ?? error;
      },
    );
  }

  /**
   * Processes a message that was stored before, under an id and sequences that do not exist, and rolls all of
   * it back. The message is stored, repeated, repeated with another digest, and counted.
   *
   * @throws what every message would meet now; nothing remains in either case
   */
  async rehearse(streamId: number, message: Message<E>): Promise<void> {
    for (;;) {
      const { current: keys } = this.generations;
      try {
        await this.rehearseIn(keys, streamId, message);
        return;
      } catch (error) {
        if (!(await this.isChanged(error, keys))) throw error;
      }
    }
  }

  private async rehearseIn(keys: KeyGenerations, streamId: number, message: Message<E>): Promise<void> {
    const [fresh, ...repeats] = rehearsalOf(message);
    const work = async (transaction: Transaction): Promise<{ result: undefined; last: undefined }> => {
      const outcomes = new Map<number, Outcome>();
      const session = new HandlerSession(transaction, this.handler);
      const on = { transaction, keys, session, outcomes };
      await this.claimsOf(on).waiting([fresh]);
      await this.apply(on, [fresh], []);
      await this.repeats.record(transaction, keys.youngest, repeats, outcomes, session);
      const counted = this.count(streamId, tally({ messages: [fresh, ...repeats], poison: [] }, outcomes));
      if (counted) await transaction.query(counted.text, counted.values);
      // Deferred constraints are checked now, as a commit would.
      await transaction.query('SET CONSTRAINTS ALL IMMEDIATE');
      return { result: undefined, last: undefined };
    };
    const begin = this.statements.begin(streamId, [], false);
    const onConnected = this.readUnseen(keys);
    await inTransaction(this.pool, streamId, begin, work, { onConnected, ending: 'ROLLBACK' });
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

  private async store(on: Deciding, messages: readonly Message<E>[], strategy: ClaimStrategy): Promise<void> {
    if (messages.length === 0) return;
    if (strategy === 'plain') return this.storeAsNew(on, messages);
    const { transaction, keys } = on;
    const divided = keys.hasClosed
      ? await keys.divide(transaction, messages)
      : { left: messages, ...NOTHING_CLOSED };
    const found =
      strategy === 'wait' ? undefined : await findFirsts(transaction, keys.youngest, divided.left);
    return found ? this.storeFound(on, divided, found) : this.storeInTurn(on, divided);
  }

  /** Claims what a lookup did not find, and records what it found. The claim refuses the batch if it missed one. */
  private async storeFound(
    on: Deciding,
    { known, held }: DividedByKeys<E>,
    { fresh, repeats, others }: Lookup<E>,
  ): Promise<void> {
    const { transaction, keys, outcomes } = on;
    const claimed = this.claimsOf(on).plainly(fresh);
    const inserted =
      repeats.length === 0 ? [] : [this.repeats.insert(transaction, keys.youngest, repeats, outcomes)];
    const recorded = this.record(on, [
      ...known,
      { statements: keys.youngest, messages: [...others, ...held] },
    ]);
    await together([claimed, this.apply(on, fresh, [...inserted, ...recorded])]);
  }

  /** Claims ids one after the other, and waits for other transactions that do. It decides on any batch. */
  private async storeInTurn(on: Deciding, { left, known, held }: DividedByKeys<E>): Promise<void> {
    const claimed = await this.claimsOf(on).waiting(left);
    const [fresh, unclaimed] = divide(left, new Set(claimed));
    const messages = [...unclaimed, ...held];
    await this.apply(on, fresh, this.record(on, [...known, { statements: on.keys.youngest, messages }]));
  }

  /**
   * Assumes that every id is new, so that no statement waits for the claim's answer. It refuses the batch if
   * one is not.
   */
  private async storeAsNew(on: Deciding, messages: readonly Message<E>[]): Promise<void> {
    const { transaction, keys } = on;
    const [firsts, others] = firstsAndRepeats(messages);
    const claimed = this.claimsOf(on).plainly(firsts);
    const lookedUp = keys.hasClosed ? refuseKnown(transaction, keys, firsts) : Promise.resolve();
    const recorded = this.record(on, [{ statements: keys.youngest, messages: others }]);
    // If the claim fails, its error is the cause, whatever else fails.
    await together([claimed, lookedUp, this.apply(on, firsts, recorded)]);
  }

  private claimsOf({ transaction, keys }: Deciding): Claims {
    return new Claims(transaction, keys.youngest, this.tables.keyIsDated === true);
  }

  /** @param known messages whose ids are known, by the generation that has these */
  private record(
    { transaction, outcomes, session }: Deciding,
    known: readonly KnownInGeneration<E>[],
  ): Promise<void>[] {
    return known
      .filter(({ messages }) => messages.length > 0)
      .map(({ statements, messages }) =>
        this.repeats.record(transaction, statements, messages, outcomes, session),
      );
  }

  /** @param recorded settle when the other messages of the batch are recorded */
  private async apply(
    { outcomes, session }: Deciding,
    fresh: readonly Message<E>[],
    recorded: readonly Promise<void>[],
  ): Promise<void> {
    for (const { delivery } of fresh) outcomes.set(delivery.seq, STORED);
    const written = together(recorded);
    session.keepApart(written);
    const inOrder = this.order === undefined ? fresh : inStreamOrder(fresh);
    await together([fresh.length > 0 ? session.apply(this.effect, inOrder) : Promise.resolve(), written]);
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
    return { ...this.statements.count, values };
  }
}

/** @throws NotAllNewError when a closed generation has an id or a sequence of messages */
async function refuseKnown(
  transaction: Transaction,
  keys: KeyGenerations,
  messages: readonly Message<unknown>[],
): Promise<void> {
  const { left } = await keys.divide(transaction, messages);
  if (left.length < messages.length) throw new NotAllNewError();
}

/** Whether an id was known before, or occurs twice in the batch. */
function hasRepeats(outcomes: ReadonlyMap<number, Outcome>): boolean {
  for (const outcome of outcomes.values()) if (outcome !== STORED) return true;
  return false;
}
