/** What a relay says of itself. */

/** What a relay reports, for logs and metrics. */
export type RelayEvent =
  /** It is now the relay that publishes. */
  | { readonly type: 'leading' }
  | { readonly type: 'published'; readonly events: number }
  /** The brokers refuse an event, and it became a dead letter. */
  | {
      readonly type: 'dead-letter';
      readonly topic: string;
      readonly eventId: string;
      readonly reason: string;
    }
  /** Events were not taken, and are tried again. */
  | { readonly type: 'not-taken'; readonly events: number; readonly reason: string }
  /** As many numbers as it may remember can still get an event. Only these are read, until slow transactions end. */
  | { readonly type: 'transactions-open'; readonly ranges: number }
  /** Postgres failed, or the role lacks a right. The relay goes on by itself. */
  | { readonly type: 'failed'; readonly error: unknown };

/** Whether a relay gets on: `leading` publishes, `standing-by` waits for the one that does, `failing` begins again. */
export interface RelayHealth {
  readonly state: 'stopped' | 'leading' | 'standing-by' | 'failing';
  /** Events that it has published. */
  readonly published: number;
  /** For how long the oldest event of now could not be published, in milliseconds; 0 when nothing is in the way. */
  readonly blockedMs: number;
}
