/**
 * The baseline of an outbox: one table, and a relay that locks its oldest rows, publishes and deletes them.
 *
 * It is as plain as an outbox can be. An event that the brokers refuse stops it for ever, two of its relays break the order,
 * and its deleted rows are left to vacuum.
 */
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { pause } from '#waiting';

const BATCH_SIZE = 1_000;
const POLL_MS = 5;

/** Its table. */
export const PLAIN_TABLE = 'public.plain_outbox';

/** Creates the table, or empties it. */
export const NEW_PLAIN_TABLE = `
CREATE TABLE IF NOT EXISTS ${PLAIN_TABLE} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, event_id text NOT NULL, body text NOT NULL
);
TRUNCATE ${PLAIN_TABLE}`;

/** Adds events in the transaction of the caller: their topics, ids and bodies. */
export const ADD_PLAINLY = `
INSERT INTO ${PLAIN_TABLE} (topic, event_id, body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])`;

const READ = `SELECT id, topic, event_id, body FROM ${PLAIN_TABLE} ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`;
const DELETE = `DELETE FROM ${PLAIN_TABLE} WHERE id = ANY($1::bigint[])`;

interface PlainRow {
  readonly id: string;
  readonly topic: string;
  readonly event_id: string;
  readonly body: string;
}

/** Relays until it has published a number of events. @returns how many it published */
export async function relayPlainly(
  pool: Pool,
  connection: NatsConnection,
  subjectPrefix: string,
  events: number,
): Promise<number> {
  const client = jetstream(connection);
  const database = await pool.connect();
  let published = 0;
  try {
    while (published < events) {
      await database.query('BEGIN');
      const { rows } = await database.query<PlainRow>(READ, [BATCH_SIZE]);
      await Promise.all(
        rows.map(({ topic, event_id: id, body }) =>
          client.publish(`${subjectPrefix}.${topic}`, body, { msgID: `${topic}:${id}` }),
        ),
      );
      await database.query(DELETE, [rows.map(({ id }) => id)]);
      await database.query('COMMIT');
      published += rows.length;
      if (rows.length === 0) await pause(POLL_MS);
    }
  } finally {
    database.release();
  }
  return published;
}
