/** The database of the system that a command talks to. */
import type { Pool } from 'pg';
import { createPool, isMissingTable } from '#postgres';
import { CommandError, errorLine } from './command-error.js';
import { findTarget, withoutPassword, type TargetOptions } from './target.js';

const ANSWER_MS_MAX = 10_000;

/**
 * Works with the database, over one connection.
 *
 * @param name of the connection
 * @param what the table has, for the error when it does not exist yet
 * @param answerMsMax how long one answer may take, in milliseconds
 * @throws CommandError (2) when the database cannot be reached, or does not do what is asked; or that of the work
 */
export async function withDatabase<T>(
  options: TargetOptions,
  {
    name,
    what,
    answerMsMax = ANSWER_MS_MAX,
  }: { readonly name: string; readonly what: string; readonly answerMsMax?: number },
  work: (database: Pool) => Promise<T>,
): Promise<T> {
  const url = findTarget(options).SEKALI_POSTGRES_URL;
  const pool = createPool({ url, name, connectionsMax: 1, transactionMsMax: answerMsMax });
  try {
    return await work(pool);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const where = `the database at ${withoutPassword(url)}`;
    const message = isMissingTable(error)
      ? `${where} has no table of ${what} yet: run setup ("sekali up" does it)`
      : `${where} does not answer as it should: ${errorLine(error)}`;
    throw new CommandError(message, 2, { cause: error });
  } finally {
    // This is not awaited, because a hanging connection would delay the report that it hangs.
    void pool.end().catch(() => undefined);
  }
}

/** An instant as a table shows it, for example `2026-11-22 10:00`. */
export function minuteOf(instant: Date): string {
  return instant.toISOString().slice(0, 16).replace('T', ' ');
}
