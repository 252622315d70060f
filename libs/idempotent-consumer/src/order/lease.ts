import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { OrderTables } from './order-tables.js';

/** How long a lease lasts without a sign of its holder, in milliseconds. */
const LEASE_MS = 5_000;

/** A lease that this process holds. */
export interface HeldLease {
  /** Unique for each time that a lease is taken. A store that went back in time cannot give it out again. */
  readonly token: string;
  /** How many holders in a row ended before they had decided on anything. */
  readonly ended: number;
}

/**
 * Which of several processes decides. All times are those of the database, so their clocks need not agree.
 *
 *   free ─take─▶ held ─renew, or any transaction of the holder─▶ held
 *                  ├─release──────────────▶ free at once
 *                  └─no sign for LEASE_MS─▶ another process takes it, under another token
 *
 * Each transaction of the holder changes the row where it has its token. So one that commits had the lease until then,
 * however long its process was stopped before. While such a transaction is open, the row is locked, and no other
 * process takes the lease.
 */
export class Lease {
  private held: HeldLease | undefined;
  private readonly statements: ReturnType<typeof statementsFor>;

  constructor(
    private readonly pool: Pool,
    { lease }: Pick<OrderTables, 'lease'>,
    readonly ms = LEASE_MS,
  ) {
    this.statements = statementsFor(lease);
  }

  /** The lease, unless it is known to be lost. */
  get current(): HeldLease | undefined {
    return this.held;
  }

  /** Tries to take it. @returns whether this process has it */
  async take(): Promise<boolean> {
    if (this.held !== undefined) return true;
    const token = randomUUID();
    const { rows } = await this.pool.query<{ ended: number }>(this.statements.take, [token, this.ms]);
    if (rows[0] === undefined) return false;
    this.held = { token, ended: rows[0].ended };
    return true;
  }

  /** Shows that this process is there. @returns whether it still has the lease */
  async renew(): Promise<boolean> {
    const { held } = this;
    if (held === undefined) return false;
    const { rowCount } = await this.pool.query(this.statements.renew, [held.token, this.ms]);
    if (rowCount === 0) this.lost();
    return rowCount !== 0;
  }

  /** Notes that another process has it. */
  lost(): void {
    this.held = undefined;
  }

  /** Gives it up, so that another process can take it at once. */
  async release(): Promise<void> {
    const { held } = this;
    if (held !== undefined) await this.pool.query(this.statements.release, [held.token]);
    this.lost();
  }
}

function statementsFor(lease: string) {
  return {
    take: `
UPDATE ${lease} SET token = $1, until = clock_timestamp() + $2::float8 * interval '1 millisecond',
  ended = CASE WHEN token IS NULL THEN ended ELSE ended + 1 END
WHERE single = (
  SELECT single FROM ${lease} WHERE token IS NULL OR until < clock_timestamp() FOR UPDATE SKIP LOCKED
)
RETURNING ended`,
    renew: `
UPDATE ${lease} SET until = clock_timestamp() + $2::float8 * interval '1 millisecond' WHERE token = $1`,
    release: `UPDATE ${lease} SET token = NULL, ended = 0 WHERE token = $1`,
  };
}
