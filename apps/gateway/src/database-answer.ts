/** Questions to the database, with an end: what it does not answer in time is a 503, a fault of ours stays one. */
import { TooManyTopicsError } from '#store';
import { unavailableError } from './problems/problem-error.js';
import { withinMs } from './within.js';

/** SQLSTATE classes that say our statement is wrong; everything else means the database cannot answer now. */
const OUR_FAULT = /^(22|23|42)/;

/** The answer, or a 503 problem. */
export async function databaseAnswer<T>(msMax: number, question: Promise<T>): Promise<T> {
  try {
    return await withinMs(msMax, question);
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    if (typeof code === 'string' && OUR_FAULT.test(code)) throw error;
    if (error instanceof TooManyTopicsError) throw error;
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw unavailableError('database', error);
  }
}
