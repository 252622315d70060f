import type { ConsumerState } from '../delivery-source.js';
import type { Delivery } from '../delivery.js';
import { OrderLostError } from './order-lost-error.js';

/**
 * The order in which the deliveries of a session have to come.
 *
 * The brokers number the deliveries of a consumer, and deliver in the order of the stream what they have not delivered
 * before. So numbers without a gap mean that no message was left out. One that comes again was decided before, or is
 * about to be.
 *
 * The idea is that of the ordered consumers of NATS clients.
 */
export class DeliveryOrder {
  /** The number of the next delivery; `undefined` while no session may go on. */
  private next: number | undefined;
  /** The last sequence that was delivered before the session. */
  private deliveredSeq = 0;

  /**
   * Begins with a session.
   *
   * @param state the consumer right before it; everything unsettled is delivered again behind it
   * @param deliveredSeq the last sequence that was ever delivered
   */
  begin({ deliveryCount }: Pick<ConsumerState, 'deliveryCount'>, deliveredSeq: number): void {
    this.next = deliveryCount + 1;
    this.deliveredSeq = deliveredSeq;
  }

  /** Takes deliveries, which have to be the next ones. @throws OrderLostError when they are not */
  take(deliveries: readonly Delivery[]): void {
    for (const { deliveryNumber } of deliveries) {
      if (this.next === undefined) throw new OrderLostError('the session has ended');
      if (deliveryNumber === this.next) {
        this.next += 1;
        continue;
      }
      const expected = this.next;
      this.lose();
      throw new OrderLostError(
        `delivery ${deliveryNumber} came where ${expected} was expected: another session took messages`,
      );
    }
  }

  /** Refuses everything until the next session. */
  lose(): void {
    this.next = undefined;
  }

  /** Whether everything is refused until the next session. */
  get hasEnded(): boolean {
    return this.next === undefined;
  }

  /** Whether a delivery may not be the first of its message. */
  mayHaveCome({ seq, deliveryCount }: Delivery): boolean {
    return deliveryCount > 1 || seq <= this.deliveredSeq;
  }
}
