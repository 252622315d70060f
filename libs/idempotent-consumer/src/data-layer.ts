/**
 * The port to a data layer of the program's own: what a handler gets as `manager`.
 *
 * A data layer opens connections and transactions by itself, and what it writes there is outside of the guarantee. So it is put
 * on the transaction of the inbox instead, by nothing but its `query`: then all that holds for a statement of the handler holds
 * for the data layer. After the call has ended its statements throw, and the transaction is not its to begin or to end.
 */
import type { Transaction } from './effect.js';

/** Gives a handler the data layer that it knows, on the transaction of one call. It is called when `manager` is first asked for. */
export type DataLayer<M = unknown> = (transaction: Transaction) => M;

/** A `DataSource` of TypeORM, as far as it is used. */
export interface TypeOrmSource<M> {
  createQueryRunner(): { readonly manager: M; connect(): Promise<unknown> };
}

/**
 * TypeORM: `manager` is an `EntityManager`. Its `transaction` sets a savepoint.
 *
 * @param dataSource of Postgres and initialized; none of its own connections is used
 */
export function typeOrm<M>(dataSource: TypeOrmSource<M>): DataLayer<M> {
  return (transaction) => {
    const runner = dataSource.createQueryRunner();
    const connection = {
      query: (text: string, values?: readonly unknown[]) => transaction.query(text, values),
    };
    // Within a transaction, of depth 1: it would begin one of its own otherwise, for every save.
    Object.assign(runner, {
      connect: () => Promise.resolve(connection),
      isTransactionActive: true,
      transactionDepth: 1,
    });
    return runner.manager;
  };
}

/** Where no data layer was given. */
export function noDataLayer(): never {
  throw new Error(
    'there is no manager: give the transport an option dataLayer, for example typeOrm(dataSource)',
  );
}
