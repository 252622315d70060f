/** What audits found, kept so that it can be seen without running one. */
import type { Pool } from 'pg';
import { transact, type Queryable } from '#postgres';

/** The result of one audit. */
export interface AuditRecord {
  readonly stream: string;
  readonly verdict: 'whole' | 'violated' | 'unknown';
  /** The verdict in one sentence. */
  readonly summary: string;
  /** The last sequence of the stream. */
  readonly sequences: number;
  readonly inFlight: number;
  /** How long it took. */
  readonly seconds: number;
  /** The machine where it ran. */
  readonly host: string;
}

/** A result as it was kept. */
export interface KeptAudit extends AuditRecord {
  /** The role of the database as which the audit was connected. */
  readonly role: string;
  readonly endedAt: Date;
}

const KEEP = `SELECT sekali.keep_audit_result($1, $2, $3, $4, $5, $6, $7)`;
const NEWEST = `
SELECT stream, verdict, summary, sequences::float8 AS sequences, in_flight::float8 AS "inFlight", seconds, host, role,
  ended_at AS "endedAt"
FROM sekali.audit_result ORDER BY audit_id DESC LIMIT $1`;

/** Keeps a result. The oldest of more than a hundred are dropped. */
export async function keepAuditResult(pool: Pool, result: AuditRecord): Promise<void> {
  const { stream, verdict, summary, sequences, inFlight, seconds, host } = result;
  await transact(pool, async (database) => {
    // The sessions of a role that reads are read-only, unless a transaction begins by saying otherwise.
    await database.query('SET TRANSACTION READ WRITE');
    await database.query(KEEP, [stream, verdict, summary, sequences, inFlight, seconds, host]);
  });
}

/** Returns the newest results, the newest first. */
export async function keptAudits(database: Queryable, limit: number): Promise<KeptAudit[]> {
  return (await database.query<KeptAudit & Record<string, unknown>>(NEWEST, [limit])).rows;
}
