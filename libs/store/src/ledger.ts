/** Binds the library's classes to the tables of schema `sekali`. */
import { FilteredLosses, type Ledger, SettledHorizon, StreamRegistry } from '#idempotent-consumer/postgres';
import { inboxNames, STORE_INBOX, storeInboxTables } from './inbox-tables.js';

const KEPT_HORIZON = {
  read: `SELECT seq::float8 AS seq FROM sekali.horizon WHERE stream_id = $1`,
  write: `
INSERT INTO sekali.horizon (stream_id, seq) SELECT $1, seq FROM moved
ON CONFLICT (stream_id) DO UPDATE SET seq = GREATEST(horizon.seq, EXCLUDED.seq)
WHERE horizon.seq < EXCLUDED.seq`,
};

/** The name of an inbox has no character to quote. */
function furtherHorizon(inbox: string): typeof KEPT_HORIZON {
  return {
    read: `SELECT seq::float8 AS seq FROM sekali.further_horizon WHERE consumer = '${inbox}' AND stream_id = $1`,
    write: `
INSERT INTO sekali.further_horizon (consumer, stream_id, seq) SELECT '${inbox}', $1, seq FROM moved
ON CONFLICT (consumer, stream_id) DO UPDATE SET seq = GREATEST(further_horizon.seq, EXCLUDED.seq)
WHERE further_horizon.seq < EXCLUDED.seq`,
  };
}

const START_HORIZON = `INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, $2)`;

/** Returns the settled horizon of a consumer's inbox. @throws InboxNameError for a name that no inbox can have */
export function horizonOf(inbox: string): SettledHorizon {
  return new SettledHorizon(storeInboxTables(inbox), keptHorizon(inbox));
}

/** Returns the search for losses of a further consumer that leaves a part of the stream out. One process keeps it. */
export function filteredLossesOf(inbox: string): FilteredLosses {
  return new FilteredLosses(storeInboxTables(inbox), horizonOf(inbox), keptHorizon(inbox));
}

function keptHorizon(inbox: string): typeof KEPT_HORIZON {
  return inbox === STORE_INBOX ? KEPT_HORIZON : furtherHorizon(inbox);
}

/** The settled horizon of the consumer `store`, which gateways read. Readers with a cursor stay below it. */
export const STORE_HORIZON = horizonOf(STORE_INBOX);

/**
 * What the database has of a stream. All inboxes share one registry of stream incarnations.
 *
 * Histories are compared by what the consumer `store` has settled. A further consumer that was ahead of it notices lost
 * messages by itself: see `setForeignAside`.
 */
export const SEKALI_LEDGER: Ledger = {
  // Programs of the previous version write the identity by the column's older name, and so does this one.
  registry: new StreamRegistry('sekali.stream', 'created'),
  // Every message has a row with its time of publication in one of these. Of payloads dropped by age, some have.
  datedTables: ['sekali.event', 'sekali.event_sample', 'sekali.duplicate', 'sekali.dead_letter'],
  inboxes: async (database) => (await inboxNames(database)).map(storeInboxTables),
  settled: (database, streamId, floor) => STORE_HORIZON.settled(database, streamId, floor),
  otherTables: ['sekali.event', 'sekali.event_sample'],
  begin: async (database, streamId, seq) => {
    await database.query(START_HORIZON, [streamId, seq]);
  },
};
