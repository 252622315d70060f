/** The dead letters of an outbox, and what is held behind them. */
import type { QueryResult, QueryResultRow } from 'pg';
import {
  asideText,
  bounded,
  COLUMNS,
  type OutboxRow,
  type RawRow,
  rowOf,
  type SetAside,
} from './outbox-row.js';

/** A topic and a key that have dead letters, in the order of keys. The walk begins before the first of them. */
export interface KeyPlace {
  readonly key: string;
  readonly topic: string;
}

/** Before every topic and key. */
export const FIRST_KEY: KeyPlace = { key: '', topic: '' };

/** Sends a statement on the connection of a session. */
type Query = <R extends QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<QueryResult<R>>;

/** The table of dead letters, on the connection of a session. */
export class DeadLetterRows {
  constructor(
    private readonly query: Query,
    private readonly table: string,
  ) {}

  /** The dead letters that are published again, by number. */
  async released(limit: number): Promise<OutboxRow[]> {
    const { rows } = await this.query<RawRow>(
      `${bounded(`SELECT ${COLUMNS} FROM ${this.table} WHERE state = 'released' ORDER BY number LIMIT $1`)}
ORDER BY number`,
      [limit],
    );
    return rows.map(rowOf);
  }

  /**
   * Events that are held behind no dead letter any more, by number, of some keys. Each key is found by a search of the index,
   * so the cost depends neither on how many keys have dead letters nor on how many events are held.
   *
   * @param after the place before the keys
   * @param keysMax how many keys
   * @param limit how many events
   * @returns the events, and the place behind the last of the keys; `undefined` when no key comes after them
   */
  async freed(
    after: KeyPlace,
    keysMax: number,
    limit: number,
  ): Promise<{ readonly rows: readonly OutboxRow[]; readonly next: KeyPlace | undefined }> {
    const { table } = this;
    const following = (key: string, topic: string): string =>
      `SELECT key, topic FROM ${table} WHERE key IS NOT NULL AND (key, topic) > (${key}, ${topic}) ORDER BY key, topic LIMIT 1`;
    const isWithout = (state: string): string => `(
  SELECT number FROM ${table} AS one WHERE one.key = pair.key AND one.topic = pair.topic AND state = '${state}' LIMIT 1
) IS NULL`;
    const held = `SELECT held.* FROM pair CROSS JOIN LATERAL (
    SELECT ${COLUMNS} FROM ${table} AS one WHERE one.key = pair.key AND one.topic = pair.topic AND state = 'held'
    ORDER BY number LIMIT $4
  ) AS held WHERE ${isWithout('dead')} AND ${isWithout('released')} LIMIT $4`;
    const { rows } = await this.query<RawRow & { walked: number; last_key: string; last_topic: string }>(
      `WITH RECURSIVE pair AS (
  (SELECT key, topic, 1 AS walked FROM (${following('$1', '$2')}) AS first)
  UNION ALL
  SELECT following.key, following.topic, walked + 1
  FROM pair CROSS JOIN LATERAL (${following('pair.key', 'pair.topic')}) AS following WHERE walked < $3
)
SELECT walked, last_key, last_topic, ${COLUMNS} FROM (
  SELECT walked, key AS last_key, topic AS last_topic FROM pair ORDER BY walked DESC LIMIT 1
) AS last LEFT JOIN (${bounded(held)}) AS found ON true ORDER BY number`,
      [after.key, after.topic, keysMax, limit],
    );
    const [first] = rows;
    const next =
      first === undefined || first.walked < keysMax
        ? undefined
        : { key: first.last_key, topic: first.last_topic };
    return { rows: rows.flatMap((row) => (row.number === null ? [] : [rowOf(row)])), next };
  }

  /** Forgets dead letters that were published, and notes why others were refused again. */
  async settleReleased(published: readonly OutboxRow[], refused: readonly SetAside[]): Promise<void> {
    const { table } = this;
    await this.query(
      `WITH refused AS (
  UPDATE ${table} AS one SET state = 'dead', reason = again.reason
  FROM json_to_recordset($2::json) AS again (number bigint, reason text) WHERE one.number = again.number
)
DELETE FROM ${table} WHERE number = ANY($1::bigint[])`,
      [published.map(({ number }) => number), asideText(refused)],
    );
  }

  /** Finds the rows whose topic and key have a dead letter, or one that is held. */
  async blockedAmong(rows: readonly OutboxRow[]): Promise<(row: OutboxRow) => boolean> {
    const pairs = new Map(rows.map(({ topic, key }) => [`${topic} ${key}`, { topic, key }]));
    const { rows: found } = await this.query<{ topic: string; key: string }>(
      `SELECT given.topic, given.key FROM unnest($1::text[], $2::text[]) AS given (topic, key) CROSS JOIN LATERAL (
  SELECT FROM ${this.table} AS one WHERE one.key = given.key AND one.topic = given.topic LIMIT 1
) AS any_of_it`,
      [[...pairs.values()].map(({ topic }) => topic), [...pairs.values()].map(({ key }) => key)],
    );
    const blocked = new Set(found.map(({ topic, key }) => `${topic} ${key}`));
    return ({ topic, key }) => key !== null && blocked.has(`${topic} ${key}`);
  }
}
