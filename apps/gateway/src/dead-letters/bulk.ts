import { deadLetterPage, type DeadLetterEntry, type Queryable } from '#store';
import type { DeadLetterBulkResult, DeadLetterResult } from '#contracts';
import { deadLetterId } from '#store';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { BulkOrder } from './action-request.js';
import { writeCursor } from './dead-letter-cursor.js';
import { readTopics } from './dead-letter-reader.js';

/** Dead letters that one request acts on at the same time. Each needs a connection to the database for moments. */
const AT_ONCE = 4;

/**
 * Acts on the dead letters of a filter, one by one, as a request about each would.
 *
 * A request acts on a bounded number, and its answer says where the next one goes on. One gateway carries out one such
 * request at a time, so that it keeps connections to the database for everything else. A crash leaves some dead letters
 * untouched, and the same request acts on these.
 */
export class Bulk {
  private isBusy = false;

  constructor(private readonly database: Queryable) {}

  /**
   * Acts on one page.
   *
   * @param act returns what it did. A problem that it throws is the result of this dead letter alone
   * @throws ProblemError 503 while another request is carried out, or the database does not answer
   */
  async run(
    { filter, after, limit, isDryRun }: BulkOrder,
    act: (entry: DeadLetterEntry) => Promise<DeadLetterResult>,
  ): Promise<DeadLetterBulkResult> {
    if (this.isBusy) throw busy();
    this.isBusy = true;
    try {
      const page = await readTopics(deadLetterPage(this.database, filter, after, limit));
      const results = await inParallel(page.entries, async (entry) => act(entry).catch(asResult(entry)));
      const counts: Record<string, number> = {};
      for (const { status } of results) counts[status] = (counts[status] ?? 0) + 1;
      return {
        dry_run: isDryRun,
        counts,
        results,
        cursor: page.next === undefined ? null : writeCursor(page.next),
      };
    } finally {
      this.isBusy = false;
    }
  }
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** Turns a problem into the result of one dead letter. Any other error is ours, and ends the request. */
function asResult({ reference }: DeadLetterEntry): (error: unknown) => DeadLetterResult {
  return (error) => {
    if (!(error instanceof ProblemError)) throw error;
    const { status, detail = error.message, type } = error.problem;
    const kind = type.endsWith(':not-replayable')
      ? 'not_replayable'
      : status === 503
        ? 'unavailable'
        : 'refused';
    return { id: deadLetterId(reference), status: kind, detail };
  };
}

function busy(): ProblemError {
  const detail = 'Another request by filter is carried out here. Send it again.';
  return new ProblemError(problem('busy', 503, detail), { 'retry-after': '2' });
}
