import { readBigints } from '#postgres';
import type { Batch } from '../batch-inbox.js';
import type { Delivery, Message } from '../delivery.js';
import type { Transaction } from '../effect.js';
import type { Outcome } from '../outcome.js';
import type { Lease } from './lease.js';
import { LeaseLostError, OrderLostError } from './order-lost-error.js';
import type { OnDeadLetter } from './order-key.js';
import { type EnterRow, type OrderStatements, orderStatements } from './order-statements.js';
import type { OrderTables } from './order-tables.js';

const PARKED: Outcome = { kind: 'parked' };

/** What has to be decided before the events behind it. */
interface Keyed {
  readonly delivery: Delivery;
  readonly orderKey?: string;
}

/**
 * Keeps the order of keys within the transaction of a batch.
 *
 *   enter: prove the lease ─▶ park what is behind a blocked key ─▶ decide the rest ─▶ leave: block, free or advance keys
 *
 * Events of one key have to take effect in the order of the stream, whatever fails. Three designs were considered:
 *
 * - Partitioned consumers: each key belongs to one of n durable consumers, and each of these has one worker. Keys are
 *   in payloads, so producers would have to put them into subjects. A change of n breaks the order while messages of
 *   the old division are unsettled, and redeliveries still need a solution.
 * - Claims that look back: any worker takes any batch, and its transaction waits for earlier events of each key. No
 *   table knows of an event that no worker has seen yet. So each message would first be stored, and decided in another
 *   transaction, which doubles the price of each event.
 * - One worker at a time, by a lease that each transaction proves. It reads the stream in order, and what cannot take
 *   effect yet is parked in the same transaction, with what follows it of the same key. This is the design in use. It
 *   costs one statement a batch, and parallel transactions. The other workers stand by.
 *
 * What proves the order:
 *
 * - Batches are decided one after the other, each in the order of the stream, and without a gap in the numbers of
 *   deliveries (ordered-processor.ts). A session begins behind the ack floor, up to which everything is decided.
 * - No transaction commits without the lease, so a process that was stopped for long cannot commit an old batch.
 * - A parked event blocks its key until it is decided. Those behind it are parked, and follow in order.
 */
export class EventOrder {
  private readonly statements: OrderStatements;

  /**
   * @param isCareful whether processes have ended over an event lately; their count stays until that is over
   * @param idleMsMax for how long a transaction may do nothing, in milliseconds, if its connection has no such bound. A
   *   process that is stopped within one would hold up the others for as long.
   */
  constructor(
    tables: OrderTables,
    private readonly lease: Lease,
    private readonly onDeadLetter: OnDeadLetter,
    private readonly isCareful: () => boolean,
    private readonly idleMsMax?: number,
  ) {
    this.statements = orderStatements(tables);
  }

  /**
   * Begins the decision on a batch, and parks what is not for now.
   *
   * @param outcomes gets the outcomes of what is not for now
   * @returns the rest
   * @throws LeaseLostError when another process may decide by now
   */
  async enter<E>(
    transaction: Transaction,
    batch: Batch<E>,
    outcomes: Map<number, Outcome>,
  ): Promise<Batch<E>> {
    const token = this.lease.current?.token;
    if (token === undefined) throw new LeaseLostError();
    const isParked = batch.wereParked === true;
    const keyed = [...batch.messages, ...batch.poison].filter(hasKey);
    const { rows } = await transaction.query<EnterRow & Record<string, unknown>>(
      isParked ? this.statements.enterParked : this.statements.enter,
      [
        ...[token, this.lease.ms, !this.isCareful(), transaction.streamId],
        ...[keyed.map(({ orderKey }) => orderKey), keyed.map(({ delivery }) => delivery.seq)],
        this.idleMsMax === undefined ? null : String(this.idleMsMax),
      ],
    );
    const [row] = rows;
    if (row?.fenced !== true) {
      this.lease.lost();
      throw new LeaseLostError();
    }
    if (!isParked) return this.parkBehind(transaction, batch, row, outcomes);
    const open = seqsOf(row.open);
    return dividedBy(batch, ({ delivery: { seq } }) => open.has(seq), outcomes);
  }

  /** Ends the decision: blocks the keys of what failed, and has keys go on whose parked events were decided. */
  async leave<E>(
    transaction: Transaction,
    batch: Batch<E>,
    outcomes: ReadonlyMap<number, Outcome>,
  ): Promise<void> {
    const { parking = [], wereParked = false } = batch;
    // What was parked is still there, so its body is not sent again at each retry.
    if (!wereParked)
      await this.park(
        transaction,
        parking.map(({ message }) => message),
      );
    for (const { message, delayMs } of parking) await this.block(transaction, message, delayMs);
    const isDead = ({ delivery }: Keyed): boolean => outcomes.get(delivery.seq)?.kind === 'dead-letter';
    const held = this.onDeadLetter === 'hold' ? batch.poison.filter(isDead).filter(hasKey) : [];
    for (const one of held) await this.block(transaction, one, null);
    if (wereParked) await this.advance(transaction, batch, outcomes);
  }

  private async parkBehind<E>(
    transaction: Transaction,
    batch: Batch<E>,
    row: EnterRow,
    outcomes: Map<number, Outcome>,
  ): Promise<Batch<E>> {
    const [parked, behind] = [seqsOf(row.parked), seqsOf(row.behind)];
    if (parked.size + behind.size === 0) return batch;
    const isBehind = ({ delivery: { seq } }: Keyed): boolean => behind.has(seq) && !parked.has(seq);
    // An operator had an earlier event of the key processed again, since the attempts at this one.
    if (batch.poison.some(isBehind)) throw new OrderLostError('an earlier event of a key came back');
    await this.park(transaction, batch.messages.filter(isBehind));
    return dividedBy(batch, ({ delivery: { seq } }) => !behind.has(seq) && !parked.has(seq), outcomes);
  }

  private async park<E>(transaction: Transaction, messages: readonly Message<E>[]): Promise<void> {
    if (messages.length === 0) return;
    await transaction.query(this.statements.park, [
      transaction.streamId,
      messages.map(({ delivery }) => delivery.seq),
      messages.map(({ orderKey }) => orderKey),
      messages.map(({ topic }) => topic),
      messages.map(({ eventId }) => eventId),
      messages.map(({ delivery }) => delivery.subject),
      messages.map(({ delivery }) => bufferOf(delivery.headerBytes())),
      messages.map(({ delivery }) => bufferOf(delivery.data)),
      messages.map(({ delivery }) => delivery.deliveryCount),
      messages.map(({ delivery }) => delivery.publishedAt.toISOString()),
    ]);
  }

  /** @param delayMs `null` until an operator releases the key */
  private async block(transaction: Transaction, one: Keyed, delayMs: number | null): Promise<void> {
    const { streamId } = transaction;
    await transaction.query(this.statements.block, [one.orderKey, streamId, one.delivery.seq, delayMs]);
  }

  private async advance<E>(
    transaction: Transaction,
    { messages, poison }: Batch<E>,
    outcomes: ReadonlyMap<number, Outcome>,
  ): Promise<void> {
    const decided = [...messages, ...poison].filter(
      ({ delivery }) => (outcomes.get(delivery.seq) ?? PARKED).kind !== 'parked',
    );
    if (decided.length === 0) return;
    const seqs = decided.map(({ delivery }) => delivery.seq);
    await transaction.query(this.statements.remove, [transaction.streamId, seqs]);
    await transaction.query(this.statements.advance, [[...new Set(decided.map(({ orderKey }) => orderKey))]]);
  }
}

function hasKey<T extends Keyed>(one: T): one is T & { readonly orderKey: string } {
  return one.orderKey !== undefined;
}

function seqsOf(array: string | null | undefined): ReadonlySet<number> {
  return new Set(typeof array === 'string' ? readBigints(array) : []);
}

function dividedBy<E>(
  batch: Batch<E>,
  isOpen: (one: Keyed) => boolean,
  outcomes: Map<number, Outcome>,
): Batch<E> {
  const isLater = (one: Keyed): boolean => hasKey(one) && !isOpen(one);
  for (const one of [...batch.messages, ...batch.poison])
    if (isLater(one)) outcomes.set(one.delivery.seq, PARKED);
  const isNow = (one: Keyed): boolean => !isLater(one);
  return { ...batch, messages: batch.messages.filter(isNow), poison: batch.poison.filter(isNow) };
}

function bufferOf(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes);
}
