/** A transaction without a database: its statements are written down, and the test answers them. */
import type { QueryResult, QueryResultRow } from 'pg';
import type { Transaction } from '../effect.js';
import { TransactionFailedError } from '../postgres/transaction-end.js';

/** One statement of a handler. */
export interface TestStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Answers a statement with rows; what it throws is what the database would have thrown. */
export type Answer = (statement: TestStatement) => readonly QueryResultRow[] | undefined;

/** The open transaction of one batch. As in Postgres, one that failed takes nothing more, and is not committed. */
export class MemoryTransaction implements Transaction {
  readonly statements: TestStatement[] = [];
  private failed: unknown;

  constructor(
    readonly streamId: number,
    private readonly answer: Answer,
  ) {}

  // As a driver, which answers later and throws nothing by itself.
  async query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    await Promise.resolve();
    if (this.failed !== undefined) throw new TransactionFailedError();
    const statement = { text, values };
    try {
      const rows = [...(this.answer(statement) ?? [])] as R[];
      this.statements.push(statement);
      return { rows, rowCount: rows.length, command: '', oid: 0, fields: [] };
    } catch (error) {
      this.failed = error;
      throw error;
    }
  }

  /** @throws `TransactionFailedError` when a statement had failed */
  commit(): void {
    if (this.failed !== undefined) throw new TransactionFailedError();
  }
}
