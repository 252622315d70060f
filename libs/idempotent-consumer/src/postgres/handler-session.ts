import { isFailedTransaction } from '#postgres';
import type { QueryResult, QueryResultRow } from 'pg';
import type { Message } from '../delivery.js';
import type { Effect, EventEffect, PreparedStatement, Transaction } from '../effect.js';
import { HandlerError, HandlerTimeoutError, SwallowedError } from '../handler-error.js';
import { StoppedError } from '../stopped-error.js';
import { CommitRefusedError, PausedTooLongError, TransactionFailedError } from './transaction-end.js';

/** How a handler is called. */
export interface HandlerSettings {
  /** The name of the handler in errors. The default is `handler`. */
  readonly name?: string;
  /** How long one call may take, in milliseconds. The default is 30,000. */
  readonly handlerMsMax?: number;
  /** Ends the wait for a call when the consumer has stopped and its grace period is over. */
  readonly stopping?: AbortSignal;
  /** Called for a statement after the end of its call. The statement was not executed. */
  readonly onLate?: (error: LateStatementError) => void;
}

/** For waits other than those for Postgres, whose statements have bounds of their own. */
const HANDLER_MS_MAX = 30_000;
/** A timer with a longer delay would fire at once. */
const TIMER_MS_MAX = 2_147_483_647;

/** What is known of a call. */
interface CallAbout {
  readonly seq?: number;
  readonly othersWritten?: Promise<unknown>;
}

/**
 * The calls of a handler within one transaction.
 *
 *   call ─▶ open ─returned, failed or timed out─▶ over: a statement throws
 *
 * Each call has a time limit, so a call that never returns cannot hold its connection for longer. An error is
 * wrapped as the handler's. A statement that the handler does not await would be executed outside of the
 * guarantee, or after the commit, so it fails the call. A statement that begins or ends the transaction fails
 * the call as well. Savepoints are the handler's to use. They do not affect the inbox's own writes during the
 * call.
 */
export class HandlerSession {
  private wasCalled = false;
  /** The first error of Postgres for one of the handler's statements. */
  private failed: unknown;
  private othersWritten: Promise<unknown> = Promise.resolve();

  private readonly name: string;
  private readonly msMax: number;

  /** @param msMax a time limit for each call in milliseconds, if it is shorter than the usual one */
  constructor(
    private readonly transaction: Transaction,
    private readonly settings: HandlerSettings,
    msMax = Infinity,
  ) {
    this.name = settings.name ?? 'handler';
    this.msMax = Math.min(settings.handlerMsMax ?? HANDLER_MS_MAX, msMax, TIMER_MS_MAX);
  }

  /**
   * Keeps savepoints from the inbox's own writes, which a rollback to a savepoint would undo.
   *
   * @param written settles when the inbox has written what it writes during the call
   */
  keepApart(written: Promise<unknown>): void {
    this.othersWritten = written.catch(() => undefined);
  }

  /**
   * Blames the handler for an error that appeared only after its return, if it caused it.
   *
   * @returns the error to throw
   */
  blame(error: unknown): unknown {
    if (!this.wasCalled) return error;
    if (error instanceof PausedTooLongError || error instanceof CommitRefusedError)
      return new HandlerError(error.cause);
    const isFailed = error instanceof TransactionFailedError || isFailedTransaction(error);
    return isFailed ? new HandlerError(this.swallowed()) : error;
  }

  /**
   * Applies an effect, in one call or in one call for each event. An error of such a call is the fault of its
   * event.
   */
  async apply<E>(effect: Effect<E> | EventEffect<E>, fresh: readonly Message<E>[]): Promise<void> {
    const { othersWritten } = this;
    if ('apply' in effect) return this.call((on) => effect.apply(fresh, on), { othersWritten });
    for (const message of fresh)
      await this.call((on) => effect.applyOne(message, on), { seq: message.delivery.seq, othersWritten });
  }

  /**
   * Calls the handler.
   *
   * @param about `seq` is the event, if there is only one; a savepoint waits for `othersWritten`
   * @throws `HandlerError`, or `StoppedError`
   */
  async call<T>(work: (transaction: Transaction) => Promise<T>, about: CallAbout = {}): Promise<T> {
    const { seq, othersWritten } = about;
    this.wasCalled = true;
    const statements = new CallStatements(this.transaction, this.name, {
      onFailed: (error) => {
        this.failed ??= error;
      },
      onLate: (error) => this.settings.onLate?.(error),
      othersWritten,
    });
    try {
      const result = await this.withTimeout(work(statements));
      statements.refuseUnfinished();
      return result;
    } catch (error) {
      if (error instanceof StoppedError || error instanceof HandlerError) throw error;
      const isAbandoned = error instanceof HandlerTimeoutError;
      // Postgres gives this answer to every statement after the one that failed first.
      const isEcho = isFailedTransaction(error) && !isFailedTransaction(this.failed);
      const cause = isEcho ? this.swallowed() : error;
      throw new HandlerError(cause, { seq, ...(isAbandoned && { isAbandoned, isTooSlow: true }) });
    } finally {
      statements.end();
    }
  }

  /** The error of a handler that returned although its transaction had failed. */
  private swallowed(): SwallowedError {
    return new SwallowedError(this.name, this.failed);
  }

  /**
   * Ends the wait at the time limit. The later outcome of the call is ignored, and cannot end the process.
   */
  private async withTimeout<T>(work: Promise<T>): Promise<T> {
    const { name, msMax } = this;
    const { stopping } = this.settings;
    let timer: NodeJS.Timeout | undefined;
    let onStop = (): void => undefined;
    const bound = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new HandlerTimeoutError(name, msMax)), msMax);
      onStop = (): void => reject(new StoppedError());
      if (stopping?.aborted === true) onStop();
      stopping?.addEventListener('abort', onStop);
    });
    try {
      return await Promise.race([work, bound]);
    } finally {
      clearTimeout(timer);
      stopping?.removeEventListener('abort', onStop);
    }
  }
}

/** A statement came after the end of its call. */
export class LateStatementError extends Error {
  override readonly name = 'LateStatementError';

  constructor(handler: string, text: string) {
    super(
      `handler "${handler}" had ended before it sent this statement, so it was not executed: ` +
        `${beginningOf(text)}; the handler lacks an "await"`,
    );
  }
}

/** A handler returned before its statements were answered. */
export class UnfinishedStatementError extends Error {
  override readonly name = 'UnfinishedStatementError';

  constructor(handler: string, text: string) {
    super(
      `handler "${handler}" returned before this statement was answered: ${beginningOf(text)}; ` +
        'the handler lacks an "await"',
    );
  }
}

/** A handler, or its data layer, tried to begin or to end the transaction. */
export class TransactionControlError extends Error {
  override readonly name = 'TransactionControlError';

  constructor(handler: string, text: string) {
    super(
      `handler "${handler}" sent ${beginningOf(text)}, which was not executed: the inbox begins and ends ` +
        'the transaction; use a savepoint',
    );
  }
}

const TRANSACTION_CONTROL =
  /^\s*(?:begin|start\s+transaction|commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b))\b/i;
const SAVEPOINT = /^\s*savepoint\b/i;
const TEXT_SHOWN_MAX = 120;

function textOf(statement: string | PreparedStatement): string {
  return typeof statement === 'string' ? statement : statement.text;
}

function beginningOf(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length > TEXT_SHOWN_MAX ? `${line.slice(0, TEXT_SHOWN_MAX)}…` : line;
}

/** The transaction, as one call of the handler sees it. */
class CallStatements implements Transaction {
  private readonly unfinished = new Set<{ readonly text: string }>();
  private isOver = false;
  readonly streamId: number;

  constructor(
    private readonly transaction: Transaction,
    private readonly handler: string,
    private readonly parts: {
      readonly onFailed: (error: unknown) => void;
      readonly onLate: (error: LateStatementError) => void;
      readonly othersWritten: Promise<unknown> | undefined;
    },
  ) {
    this.streamId = transaction.streamId;
  }

  query<R extends QueryResultRow = QueryResultRow>(
    statement: string | PreparedStatement,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>> {
    const answer = this.isOver ? this.refuseLate(textOf(statement)) : this.send<R>(statement, values);
    // A statement that is not awaited fails the call. Its unhandled error must not end the process as well.
    answer.catch(() => undefined);
    return answer;
  }

  /** @throws when a statement has not been answered yet */
  refuseUnfinished(): void {
    for (const { text } of this.unfinished) throw new UnfinishedStatementError(this.handler, text);
  }

  end(): void {
    this.isOver = true;
  }

  private refuseLate(text: string): Promise<never> {
    const error = new LateStatementError(this.handler, text);
    this.parts.onLate(error);
    return Promise.reject(error);
  }

  private async send<R extends QueryResultRow>(
    statement: string | PreparedStatement,
    values: readonly unknown[] | undefined,
  ): Promise<QueryResult<R>> {
    const text = textOf(statement);
    const one = { text };
    this.unfinished.add(one);
    try {
      if (TRANSACTION_CONTROL.test(text)) throw new TransactionControlError(this.handler, text);
      if (SAVEPOINT.test(text)) await this.parts.othersWritten;
      return await this.transaction.query<R>(statement, values);
    } catch (error) {
      this.parts.onFailed(error);
      throw error;
    } finally {
      this.unfinished.delete(one);
    }
  }
}
