/** How a delivery can end, and what a consumer tells about itself. */

/** What becomes of one delivery. Every end of one is settled in settlement.ts, and nowhere else. */
export type Outcome =
  /** First of its id: the effect is committed. */
  | { readonly kind: 'stored' }
  /** Its id was there already; recorded as a duplicate, with `conflict` when the content differs. */
  | { readonly kind: 'duplicate'; readonly conflict: boolean }
  /** A redelivery of a message that had been settled before: nothing was changed. */
  | { readonly kind: 'settled' }
  /** Recorded as a dead letter. */
  | { readonly kind: 'dead-letter'; readonly reason: string }
  /** The consumer is not for it, and was told to say nothing of it. */
  | { readonly kind: 'ignored' }
  /** Not settled: deliver it again later. */
  | { readonly kind: 'retry'; readonly delayMs: number }
  | Postponed;

/** Not decided, and nothing to tell the broker: another batch at work here decides on its id, so it goes into a later one. */
export interface Postponed {
  readonly kind: 'postponed';
}

/** A batch that was not committed, why, and after how long. */
export interface Failure {
  readonly error: unknown;
  readonly afterMs: number;
}

/** What happens inside a consumer, for logs, metrics and tests. Called synchronously; it must not throw. */
export type ConsumerEvent =
  | { readonly type: 'session-opened'; readonly stream: string; readonly identity: string }
  /** It is to deliver again from this sequence on. */
  | { readonly type: 'put-back'; readonly seq: number }
  | { readonly type: 'session-lost'; readonly reason: string }
  /** The connection was taken to the broker that leads the consumer, or it could not be. */
  | { readonly type: 'moved'; readonly broker: string; readonly reached: boolean }
  /** Deliveries that stayed unsettled for too long are delivered again: see jetstream/watchdog.ts. */
  | { readonly type: 'given-back'; readonly firstSeq: number; readonly lastSeq: number }
  /** A process may have ended over this message. It is processed alone, its attempts counted. */
  | { readonly type: 'isolated'; readonly seq: number; readonly deliveries: number }
  /** The transaction is committed and nothing is acknowledged yet. */
  | {
      readonly type: 'committed';
      readonly seqs: readonly number[];
      readonly outcomes: ReadonlyMap<number, Outcome>;
      /** How long it took to decide, waiting for an outage included. */
      readonly ms: number;
    }
  | { readonly type: 'divided'; readonly size: number; readonly error: unknown }
  | { readonly type: 'dead-letter'; readonly seq: number; readonly reason: string; readonly detail: string }
  | { readonly type: 'failed'; readonly seq: number; readonly attempts: number; readonly error: unknown }
  /** A handler sent a statement after its call had ended. It was not carried out. */
  | { readonly type: 'late-statement'; readonly error: unknown }
  /** A whole batch failed for a reason that is nobody's message; it is delivered again. */
  | { readonly type: 'batch-failed'; readonly size: number; readonly error: unknown }
  | { readonly type: 'outage-began'; readonly error: unknown }
  | { readonly type: 'outage-ended'; readonly seconds: number }
  /** The store refuses every message alike, or nothing it took is known yet. All wait; nothing is given up. */
  | { readonly type: 'defect-began'; readonly error: unknown }
  /** Said at growing intervals while it lasts. */
  | { readonly type: 'defect-continues'; readonly seconds: number; readonly error: unknown }
  | { readonly type: 'defect-ended'; readonly seconds: number };

/** Receives what happens inside a consumer. */
export type Observer = (event: ConsumerEvent) => void;

/** Behind a pause for the store, which is what keeps the pace. */
const PUT_BACK_MS = 1_000;

/** Has messages delivered again that nothing was concluded about. */
export function putBack(seqs: readonly number[]): Map<number, Outcome> {
  return later(seqs, PUT_BACK_MS);
}

/** Has messages delivered again after a time. */
export function later(seqs: readonly number[], delayMs: number): Map<number, Outcome> {
  return new Map(seqs.map((seq) => [seq, { kind: 'retry', delayMs }]));
}
