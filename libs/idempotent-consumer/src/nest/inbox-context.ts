/** What a Nest handler gets with its event: `@Ctx() { transaction, event }: InboxContext`. */
import type { Message } from '../delivery.js';
import type { Transaction } from '../effect.js';

/** The circumstances of one event. */
export class InboxContext<E = unknown> {
  constructor(
    /** Name of the durable consumer. */
    readonly consumer: string,
    /** Everything the handler writes must go through this: it commits with the inbox or not at all. */
    readonly transaction: Transaction,
    /** The event with its identity, and how it was delivered. */
    readonly event: Message<E>,
  ) {}
}
