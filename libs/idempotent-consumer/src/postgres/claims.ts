import { readBigints } from '#postgres';
import type { Message } from '../delivery.js';
import type { Transaction } from '../effect.js';
import type { InboxStatements } from './inbox-statements.js';
import { claimColumns, publishedColumn, seqBounds } from './message-columns.js';

/** An id was assumed to be new, but its message had been given up as a dead letter. */
export class NotAllNewError extends Error {}

/** The claims of one transaction, in the youngest generation of keys. */
export class Claims {
  /** @param isDated whether keys have the publishing time of their message */
  constructor(
    private readonly transaction: Transaction,
    private readonly statements: InboxStatements,
    private readonly isDated: boolean,
  ) {}

  /**
   * Claims ids that are assumed to be new.
   *
   * @param firsts messages with different ids, sorted by these
   * @throws NotAllNewError when a message was given up before, and a unique violation when an id is not new
   */
  async plainly(firsts: readonly Message<unknown>[]): Promise<void> {
    if (firsts.length === 0) return;
    const values = [...claimColumns(this.transaction, firsts), ...seqBounds(firsts)];
    const { rowCount } = await this.transaction.query(
      this.statements.claimPlainly,
      this.isDated ? [...values, publishedColumn(firsts)] : values,
    );
    if (rowCount !== firsts.length) throw new NotAllNewError();
  }

  /**
   * Claims ids, and waits for other transactions that claim one of them at the same moment.
   *
   * @returns the sequences of messages that are the first of their id, and were not given up before
   */
  async waiting(messages: readonly Message<unknown>[]): Promise<readonly number[]> {
    if (messages.length === 0) return [];
    const columns = claimColumns(this.transaction, messages);
    const { rows } = await this.transaction.query<{ count: number; seqs: string | null }>(
      this.statements.claim,
      this.isDated ? [...columns, publishedColumn(messages)] : columns,
    );
    const { count, seqs } = rows[0] ?? { count: 0, seqs: null };
    return count === messages.length ? messages.map(({ delivery }) => delivery.seq) : readBigints(seqs);
  }
}
