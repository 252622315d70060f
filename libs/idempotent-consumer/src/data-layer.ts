import type { Transaction } from './effect.js';

/**
 * The port to a data layer of the program: it returns what a handler gets as `manager`, on the transaction of
 * one call.
 *
 * A data layer opens connections and transactions by itself, and its writes there would be outside of the
 * guarantee. So it gets nothing but the `query` of the inbox's transaction. The rules for a handler's
 * statements then hold for the data layer as well. After the call its statements throw, and it can neither
 * begin nor end the transaction.
 *
 * It is called when the handler first reads `manager`.
 */
export type DataLayer<M = unknown> = (transaction: Transaction) => M;

/** The part of TypeORM's `DataSource` that is used. */
export interface TypeOrmSource<M> {
  createQueryRunner(): { readonly manager: M; connect(): Promise<unknown> };
}

/**
 * The data layer of TypeORM: `manager` is an `EntityManager`, and its `transaction` sets a savepoint.
 *
 * @param dataSource an initialized data source of Postgres; none of its own connections is used
 */
export function typeOrm<M>(dataSource: TypeOrmSource<M>): DataLayer<M> {
  return (transaction) => {
    const runner = dataSource.createQueryRunner();
    const connection = {
      query: (text: string, values?: readonly unknown[]) => transaction.query(text, values),
    };
    // At depth 0 it would begin a transaction of its own for every save.
    Object.assign(runner, {
      connect: () => Promise.resolve(connection),
      isTransactionActive: true,
      transactionDepth: 1,
    });
    return runner.manager;
  };
}

/** Stands in for a data layer that was not given. @throws always, with the option to set */
export function noDataLayer(): never {
  throw new Error(
    'the context has no manager: give the transport an option dataLayer, for example typeOrm(dataSource)',
  );
}
