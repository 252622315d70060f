import type { PoolClient, QueryResult, QueryResultRow } from 'pg';
import type { PreparedStatement } from '../effect.js';

/** Sends one statement on a connection. */
export type Send = <R extends QueryResultRow = QueryResultRow>(
  statement: string | PreparedStatement,
  values?: readonly unknown[],
) => Promise<QueryResult<R>>;

/**
 * Sends statements on a connection in the order of the calls.
 *
 * With `pipeline` the client sends each of them at once. Without it, the client would keep a queue of its own, which pg
 * deprecates and version 9 will not have. So each statement is sent when the one before has been answered.
 *
 * Every statement of a transaction has to go this way, the last one too. A ROLLBACK that overtook a statement would
 * leave it to be executed by itself, outside of the transaction.
 */
export function sendInOrder(client: PoolClient): Send {
  const send: Send = (statement, values) =>
    client.query(typeof statement === 'string' ? statement : { ...statement }, values as unknown[]);
  if ((client as { pipeline?: boolean }).pipeline === true) return send;
  let before: Promise<unknown> = Promise.resolve();
  return (statement, values) => {
    const answer = before.then(() => send(statement, values));
    before = answer.catch(() => undefined);
    return answer as ReturnType<typeof send<never>>;
  };
}
