/** Queries to the database have a timeout. A late answer is a 503, but a wrong statement of ours stays a 500. */
import { isWrongStatement } from '#postgres';
import { TooManyTopicsError } from '#store';
import { withTimeout } from '#waiting';
import { unavailableError } from './problems/problem-error.js';

/** The answer, or a 503 problem. */
export async function databaseAnswer<T>(msMax: number, question: Promise<T>): Promise<T> {
  try {
    return await withTimeout(msMax, question);
  } catch (error) {
    // A wrong statement is our fault. Any other error means that the database cannot answer now.
    if (isWrongStatement(error)) throw error;
    if (error instanceof TooManyTopicsError) throw error;
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw unavailableError('database', error);
  }
}
