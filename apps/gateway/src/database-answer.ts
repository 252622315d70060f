/** Questions to the database, with an end: what it does not answer in time is a 503, a fault of ours stays one. */
import { isWrongStatement } from '#postgres';
import { TooManyTopicsError } from '#store';
import { withTimeout } from '#waiting';
import { unavailableError } from './problems/problem-error.js';

/** The answer, or a 503 problem. */
export async function databaseAnswer<T>(msMax: number, question: Promise<T>): Promise<T> {
  try {
    return await withTimeout(msMax, question);
  } catch (error) {
    // A statement of ours that is wrong stays our fault; with anything else, the database cannot answer now.
    if (isWrongStatement(error)) throw error;
    if (error instanceof TooManyTopicsError) throw error;
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw unavailableError('database', error);
  }
}
