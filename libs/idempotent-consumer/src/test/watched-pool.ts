import type { Pool, PoolClient } from 'pg';

/** Called before each statement with a text and values, on the connection that gets it. */
export type OnStatement = (client: PoolClient, text: string, values?: unknown[]) => void | Promise<void>;

/** A pool whose connections say which statements they get. They are those of another pool, and so are its own statements. */
export function watchedPool(pool: Pool, onStatement: OnStatement): Pool {
  const connect = async (): Promise<PoolClient> => {
    const client = await pool.connect();
    const query = async (statement: string | { text: string }, values?: unknown[]): Promise<unknown> => {
      await onStatement(client, typeof statement === 'string' ? statement : statement.text, values);
      return client.query(statement as string, values);
    };
    return new Proxy(client, {
      get: (target, name) => {
        if (name === 'query') return query;
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  const query: unknown = pool.query.bind(pool);
  return { connect, query } as unknown as Pool;
}
