import type { QueryResult, QueryResultRow } from 'pg';
import type { PreparedStatement, Transaction } from '../effect.js';
import { TransactionFailedError } from '../postgres/transaction-end.js';

/** One statement of a handler. */
export interface TestStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Answers a statement with rows. An error stands for an error of the database. */
export type Answer = (statement: TestStatement) => readonly QueryResultRow[] | undefined;

/**
 * The in-memory transaction of one batch: it records statements, and the test answers them. As in Postgres, a
 * failed transaction refuses further statements and is not committed.
 */
export class MemoryTransaction implements Transaction {
  readonly statements: TestStatement[] = [];
  private failed: unknown;

  constructor(
    readonly streamId: number,
    private readonly answer: Answer,
  ) {}

  // Like a driver, it answers later and throws nothing synchronously.
  async query<R extends QueryResultRow = QueryResultRow>(
    asked: string | PreparedStatement,
    values: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    await Promise.resolve();
    if (this.failed !== undefined) throw new TransactionFailedError();
    const statement = { text: typeof asked === 'string' ? asked : asked.text, values };
    try {
      const rows = [...(this.answer(statement) ?? [])] as R[];
      this.statements.push(statement);
      return { rows, rowCount: rows.length, command: '', oid: 0, fields: [] };
    } catch (error) {
      this.failed = error;
      throw error;
    }
  }

  /** Commits. @throws `TransactionFailedError` when a statement has failed */
  commit(): void {
    if (this.failed !== undefined) throw new TransactionFailedError();
  }
}
