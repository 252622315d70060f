import type { DeadLetterBulkResult, DeadLetterResult } from '#contracts';
import {
  deadLetterId,
  dropDeadLetters,
  type DeadLetterEntry,
  type DeadLetterReference,
  type Queryable,
} from '#store';
import { databaseAnswer } from '../database-answer.js';
import type { Access } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { requireReason, type ActionOrder, type BulkOrder } from './action-request.js';
import type { Bulk } from './bulk.js';
import type { DeadLetterReader } from './dead-letter-reader.js';

const WRITE_MS_MAX = 3_000;

/**
 * Gives dead letters up for good, with a reason that is kept. Their rows stay, because every sequence of the stream
 * keeps its end.
 */
export class Drops {
  constructor(
    private readonly database: Queryable,
    private readonly reader: Pick<DeadLetterReader, 'find'>,
    private readonly bulk: Bulk,
  ) {}

  /**
   * Drops one dead letter. Repeating the request is safe.
   *
   * @throws ProblemError 404 for an unknown one, 403 for a topic of another key, 422 without a reason, 409 when it is
   *   replayed or was acted on meanwhile
   */
  async one(reference: DeadLetterReference, order: ActionOrder, access: Access): Promise<DeadLetterResult> {
    const reason = requireReason(order.reason);
    return this.drop(await this.reader.find(reference, access, 0), reason, order.force, access);
  }

  /** Drops what a filter selects, or says in a dry run what would be dropped. */
  async many(order: BulkOrder, access: Access): Promise<DeadLetterBulkResult> {
    const reason = order.isDryRun ? '' : requireReason(order.reason);
    return this.bulk.run(order, async (entry) => {
      if (order.isDryRun && entry.state === 'open') {
        return { id: deadLetterId(entry.reference), status: 'possible' };
      }
      return this.drop(entry, reason, false, access);
    });
  }

  private async drop(
    { reference, state, actions }: DeadLetterEntry,
    reason: string,
    force: boolean,
    { keyId, keyName }: Access,
  ): Promise<DeadLetterResult> {
    const id = deadLetterId(reference);
    if (state === 'dropped') return { id, status: 'dropped', number: actions };
    if (state !== 'open' && !(state === 'replaying' && force)) throw actedOn(`Its state is "${state}".`);
    const actor = { keyId, keyName, reason };
    const dropping = dropDeadLetters(this.database, actor, [{ reference, actions }]);
    const [dropped] = await databaseAnswer(WRITE_MS_MAX, dropping);
    if (dropped === undefined) throw actedOn('Another client acted on it at this moment.');
    return { id, status: 'dropped', number: actions + 1 };
  }
}

function actedOn(what: string): ProblemError {
  const detail = `${what} Only an open dead letter can be dropped; "force" also drops one that is replayed.`;
  return new ProblemError(problem('acted-on', 409, detail));
}
