/**
 * The outcome of one delivery. `settle` in settlement.ts answers the broker for each kind, and no other code
 * does.
 */
export type Outcome =
  /** The first message of its id. The effect is committed. */
  | { readonly kind: 'stored' }
  /** The id was known. The message is recorded as a duplicate, with `conflict` when its content differs. */
  | { readonly kind: 'duplicate'; readonly conflict: boolean }
  /** A redelivery of a message that the inbox knows. Nothing was changed. */
  | { readonly kind: 'already-processed' }
  /** The message is recorded as a dead letter. */
  | { readonly kind: 'dead-letter'; readonly reason: string }
  /** The handler is not for this subject, and `onUnmatched` is `ack`. The message leaves no trace. */
  | { readonly kind: 'ignored' }
  /** The message is stored, and takes effect after others of its key: see order/event-order.ts. */
  | { readonly kind: 'parked' }
  /** The message is not settled. The broker delivers it again after the delay. */
  | { readonly kind: 'retry'; readonly delayMs: number }
  | Postponed;

/**
 * No decision yet, and no answer to the broker. Another batch of this process decides on the same id, so the
 * delivery goes into a later batch.
 */
export interface Postponed {
  readonly kind: 'postponed';
}

/** A batch that was not committed: its error, and how long it took to fail. */
export interface Failure {
  readonly error: unknown;
  readonly afterMs: number;
}

/** The message that something happened to. */
interface EventNames {
  readonly seq: number;
  /** Under which it is counted. */
  readonly topic: string;
  /** Left out where the message has none that is valid. */
  readonly eventId?: string;
}

/** What happens inside a consumer, for logs, metrics and tests. */
export type ConsumerEvent =
  | { readonly type: 'session-opened'; readonly stream: string; readonly identity: string }
  /**
   * The store lacked what the consumer had acknowledged, because it went back in time. A reset follows, so the
   * missing messages are delivered again: see `StoreLoss`.
   */
  | {
      readonly type: 'store-went-back';
      readonly firstSeq: number;
      readonly lastSeq: number;
      readonly missing: number;
      readonly publishedAt: Date;
    }
  /** The consumer was reset: it delivers again from this sequence on. */
  | { readonly type: 'put-back'; readonly seq: number }
  | { readonly type: 'session-lost'; readonly reason: string }
  /** The connection was moved to the broker that leads the consumer, or the move failed. */
  | { readonly type: 'moved'; readonly broker: string; readonly reached: boolean }
  /** Deliveries that stayed unsettled for too long are delivered again: see jetstream/watchdog.ts. */
  | { readonly type: 'given-back'; readonly firstSeq: number; readonly lastSeq: number }
  /** A process may have ended over this message. It is processed alone, and its attempts are counted. */
  | { readonly type: 'isolated'; readonly seq: number; readonly deliveries: number }
  /** The transaction is committed, and nothing is acknowledged yet. */
  | {
      readonly type: 'committed';
      readonly seqs: readonly number[];
      readonly outcomes: ReadonlyMap<number, Outcome>;
      /** Milliseconds that the decision took, including any wait for an outage. */
      readonly ms: number;
    }
  | { readonly type: 'divided'; readonly size: number; readonly error: unknown }
  /** `detail` may quote the message, so it belongs into no log. */
  | (EventNames & { readonly type: 'dead-letter'; readonly reason: string; readonly detail: string })
  /** The message of `error` may quote the event. */
  | (EventNames & { readonly type: 'failed'; readonly attempts: number; readonly error: unknown })
  /** A handler sent a statement after its call had ended. The statement was not executed. */
  | { readonly type: 'late-statement'; readonly error: unknown }
  /** As many events are parked as may be, so nothing is taken from the stream until some were decided. */
  | { readonly type: 'parked-full'; readonly parkedMax: number }
  /** Events that were parked could not be read or decided on. They are tried again. */
  | { readonly type: 'parked-failed'; readonly error: unknown }
  /** A whole batch failed for a reason that no message caused. It is delivered again. */
  | { readonly type: 'batch-failed'; readonly size: number; readonly error: unknown }
  | { readonly type: 'outage-began'; readonly error: unknown }
  | { readonly type: 'outage-ended'; readonly seconds: number }
  /**
   * The store refuses every message alike, or it has not accepted one yet. All work waits, and nothing is
   * given up.
   */
  | { readonly type: 'defect-began'; readonly error: unknown }
  /** Reported at growing intervals while the defect lasts. */
  | { readonly type: 'defect-continues'; readonly seconds: number; readonly error: unknown }
  | { readonly type: 'defect-ended'; readonly seconds: number };

/** Receives the events of a consumer. It is called synchronously, and must not throw. */
export type Observer = (event: ConsumerEvent) => void;

/** The wait for the store sets the pace, so this delay can be short. */
const PUT_BACK_MS = 1_000;

/** Returns outcomes that have messages delivered again, because nothing was concluded about them. */
export function putBack(seqs: readonly number[]): Map<number, Outcome> {
  return later(seqs, PUT_BACK_MS);
}

/** Returns outcomes that have messages delivered again after a delay. */
export function later(seqs: readonly number[], delayMs: number): Map<number, Outcome> {
  return new Map(seqs.map((seq) => [seq, { kind: 'retry', delayMs }]));
}
