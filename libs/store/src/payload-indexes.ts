/**
 * The indexes of payloads, which a day of events gets when it is closed, and which a search then uses.
 *
 *   closed ── a rule asks for it ──▶ index ── no rule asks for it any more ──▶ closed
 *                  others wait: ended, and begun again later
 *
 * An event of the present day enters none of them. A day holds all topics, and is indexed when a rule asks for one of
 * them. An index of some topics alone would be smaller, but a search that names no topic could not use it.
 *
 * Three designs were considered for how an index is built:
 *
 * - CREATE INDEX CONCURRENTLY. Only the owner of the table may do that, and a worker is not. A crash leaves an invalid
 *   index, and it waits for every older transaction, such as a backup.
 * - An owner of closed days that workers may become. A thief of a worker's password could drop them.
 * - A plain index, built by a function in one transaction. Others may read meanwhile. Who writes to a closed day has to
 *   wait: retention does, and a worker that moves events to a new stream incarnation. This is the design in use: as
 *   soon as another session waits, the build is ended, and begins again in a later pass.
 */
import type { Pool } from 'pg';
import { classifyDatabaseError, type Queryable } from '#postgres';
import { pause } from '#waiting';

/** An index that was built or dropped; without a name while another session builds one. */
interface Change extends Record<string, unknown> {
  readonly name: string | null;
  readonly is_built: boolean;
}

/**
 * How a pass ended: with nothing left, or with the rest left to the next one. That is so where another session had to
 * wait, and while another process builds an index.
 */
export type PayloadIndexPass = 'done' | 'waited for' | 'busy';

/** How indexes are built and dropped. */
export interface PayloadIndexOptions {
  /** Called after each index. @param name with the schema */
  readonly onChange: (name: string, change: 'built' | 'dropped') => void;
  /** Asked before each index; the pass ends where it says no. */
  readonly isAllowed?: () => boolean;
  /** Ends the pass before the next index. */
  readonly signal?: AbortSignal;
  /** How often to check whether others wait, in milliseconds. The default is 250. */
  readonly checkEveryMs?: number;
}

const CHECK_EVERY_MS = 250;

// Where the client of this session is gone, nothing would end it for those who wait.
const END_WITH_CLIENT = `SET SESSION client_connection_check_interval = '1s'`;
const OWN_PID = `SELECT pg_backend_pid() AS pid`;
const CHANGE = `SELECT name, is_built FROM sekali.change_payload_index()`;
const CANCEL_IF_WAITED_FOR = `
SELECT pg_cancel_backend($1) WHERE EXISTS (
  SELECT FROM pg_locks waiting WHERE NOT granted AND pid <> $1 AND $1 = ANY (pg_blocking_pids(pid))
)`;

/**
 * Builds the indexes that rules ask for, newest day first, and drops those that none asks for. Any number of processes
 * may do so at once: one does, and the others learn that it is busy.
 *
 * @param pool with two connections. Its bound on a statement must allow for a day's index: 8 seconds for a million small
 *   events, and 40 for one of texts
 * @throws an error that `isLockTimeout` recognizes, when another session changes the day; try again later
 */
export async function changePayloadIndexes(
  pool: Pool,
  options: PayloadIndexOptions,
): Promise<PayloadIndexPass> {
  const { onChange, isAllowed = () => true, signal, checkEveryMs = CHECK_EVERY_MS } = options;
  const builder = await pool.connect();
  try {
    // Where the system cannot notice that, an abandoned build goes on to its end.
    await builder.query(END_WITH_CLIENT).catch(() => undefined);
    const { rows } = await builder.query<{ pid: number }>(OWN_PID);
    const pid = rows[0]?.pid ?? 0;
    while (signal?.aborted !== true && isAllowed()) {
      const change = await changeOne(pool, builder, pid, checkEveryMs);
      if (change === 'waited for') return change;
      if (change === undefined) return 'done';
      if (change.name === null) return 'busy';
      onChange(change.name, change.is_built ? 'built' : 'dropped');
    }
    return 'done';
  } finally {
    // Its session has a setting of its own.
    builder.release(true);
  }
}

/** Makes one change, and ends it as soon as others wait for it. */
async function changeOne(
  pool: Pool,
  builder: Queryable,
  pid: number,
  checkEveryMs: number,
): Promise<Change | 'waited for' | undefined> {
  const ended = new AbortController();
  const changing = builder.query<Change>(CHANGE).finally(() => {
    ended.abort();
  });
  const watching = cancelWhereOthersWait(pool, pid, checkEveryMs, ended.signal);
  try {
    return (await changing).rows[0];
  } catch (error) {
    if ((await watching) && classifyDatabaseError(error) === 'timeout') return 'waited for';
    throw error;
  } finally {
    // A late cancellation would end the next change.
    await watching;
  }
}

/** Returns whether it ended the statement of the session. An outage is noticed by the statement itself. */
async function cancelWhereOthersWait(
  pool: Pool,
  pid: number,
  everyMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  let isCanceled = false;
  for (;;) {
    await pause(everyMs, signal);
    if (signal.aborted) return isCanceled;
    const { rows } = await pool.query(CANCEL_IF_WAITED_FOR, [pid]).catch(() => ({ rows: [] }));
    isCanceled ||= rows.length > 0;
  }
}
