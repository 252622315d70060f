import type { QueryResult, QueryResultRow } from 'pg';

/** Runs one statement: a `pg` pool outside a transaction, a `pg` client inside one. */
export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>>;
}
