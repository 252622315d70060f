import { readBigints } from '#postgres';
import type { Message } from '../delivery.js';
import type { Transaction } from '../effect.js';
import type { ClaimStrategy } from './claim-strategy.js';
import { firstsAndRepeats, repeatsOfUnclaimed } from './identity-order.js';
import type { InboxStatements } from './inbox-statements.js';
import { claimColumns, publishedColumn } from './message-columns.js';

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
   * @returns how many were claimed: the others belong to messages that were given up
   * @throws a unique violation, when an id is not new
   */
  async plainly(firsts: readonly Message<unknown>[]): Promise<number> {
    const { rowCount } = await this.transaction.query(this.statements.claimPlainly, this.valuesOf(firsts));
    return rowCount ?? 0;
  }

  /**
   * Claims ids. @returns the sequences of messages that are the first of their id, and were not given up
   * before
   */
  async ids(
    messages: readonly Message<unknown>[],
    strategy: Exclude<ClaimStrategy, 'plain'>,
  ): Promise<readonly number[]> {
    if (messages.length === 0) return [];
    if (strategy === 'wait') return this.claim(messages, this.statements.claim);
    const [firsts] = firstsAndRepeats(messages);
    const claimed = await this.claim(firsts, this.statements.claimUnseen);
    if (claimed.length === firsts.length || firsts.length === messages.length) return claimed;
    // The first message of an id had been given up as a dead letter. A repeat may then be the first.
    const left = repeatsOfUnclaimed(messages, new Set(claimed));
    const more = left.length === 0 ? [] : await this.claim(left, this.statements.claim);
    return [...claimed, ...more];
  }

  private async claim(messages: readonly Message<unknown>[], statement: string): Promise<readonly number[]> {
    const { rows } = await this.transaction.query<{ count: number; seqs: string | null }>(
      statement,
      this.valuesOf(messages),
    );
    const { count, seqs } = rows[0] ?? { count: 0, seqs: null };
    return count === messages.length ? messages.map(({ delivery }) => delivery.seq) : readBigints(seqs);
  }

  private valuesOf(messages: readonly Message<unknown>[]): unknown[] {
    const columns = claimColumns(this.transaction, messages);
    if (this.isDated) columns.push(publishedColumn(messages));
    return columns;
  }
}
