/**
 * Notices that a stream has lost its newest messages, and registers a new incarnation for all inboxes of the aggregator.
 *
 * They share one registry. The comparison reads what `store` knows; a further consumer that was ahead of it finds out by
 * itself (foreign-rows.ts).
 */
import type { Pool } from 'pg';
import {
  currentIncarnation as currentIn,
  type DifferingHistory,
  type Incarnation,
  type Ledger,
  type StreamKey,
  type StreamWitness,
} from '#idempotent-consumer/postgres';
import { DATED_TABLES } from './history-comparison.js';
import { settledHorizon } from './horizon.js';
import { inboxNames, storeInboxTables } from './inbox-tables.js';
import { REGISTRY } from './stream-registry.js';

const START_HORIZON = `INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, $2)`;

const LEDGER: Ledger = {
  registry: REGISTRY,
  datedTables: DATED_TABLES,
  inboxes: async (database) => (await inboxNames(database)).map(storeInboxTables),
  settled: settledHorizon,
  otherTables: ['sekali.event'],
  begin: async (database, streamId, seq) => {
    await database.query(START_HORIZON, [streamId, seq]);
  },
};

/**
 * The incarnation of a stream as it is now: the newest one, where the stream has the history that the ledger knows, else
 * one that is registered for it.
 *
 * @param onDiffering hears what differs, before it is registered
 * @throws when the brokers or the database do not answer
 */
export function currentIncarnation(
  pool: Pool,
  key: StreamKey,
  witness: StreamWitness,
  onDiffering: (found: DifferingHistory) => void,
): Promise<Incarnation> {
  return currentIn(pool, LEDGER, key, witness, { onDiffering });
}
