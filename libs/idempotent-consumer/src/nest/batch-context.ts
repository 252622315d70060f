/** What a Nest handler gets beside the events: `@Ctx() context: BatchContext`. */
import type { Transaction } from '../effect.js';

/** The circumstances of one batch. */
export class BatchContext {
  constructor(
    /** Name of the durable consumer. */
    readonly consumer: string,
    /** Everything the handler writes must go through this: it commits with the inbox or not at all. */
    readonly transaction: Transaction,
  ) {}
}
