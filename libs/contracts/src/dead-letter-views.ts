/** The shapes of dead letters at the gateway's HTTP door, named as on the wire. */

/** The last action on a dead letter. */
export interface LastActionView {
  readonly kind: 'replay' | 'drop';
  /** The name of the key; null where keys are not required. */
  readonly by: string | null;
  readonly reason: string | null;
  readonly at: string;
  /** Where the brokers have the replay; null for a drop, or until they acknowledged it. */
  readonly replay_seq: number | null;
}

/** One dead letter in the form of `GET /dead-letters`. */
export interface DeadLetterView {
  readonly id: string;
  readonly consumer: string;
  /** In brackets where the subject of the message names no topic. */
  readonly topic: string;
  /** Null where it could not be read. */
  readonly event_id: string | null;
  readonly seq: number;
  readonly subject: string;
  readonly reason: string;
  readonly detail: string;
  /** Dead letters with the same one failed alike. */
  readonly fingerprint: string;
  readonly deliveries: number;
  readonly body_bytes: number;
  readonly published_at: string;
  readonly recorded_at: string;
  readonly state: 'open' | 'replaying' | 'stored' | 'duplicate' | 'dropped';
  /** The number of replays and drops. */
  readonly actions: number;
  readonly last_action: LastActionView | null;
}

/** Dead letters that failed alike, in the form of `GET /dead-letters?group=reason`. */
export interface DeadLetterGroupView {
  readonly consumer: string;
  readonly reason: string;
  readonly fingerprint: string;
  /** The detail without quoted texts and numbers. */
  readonly message: string;
  readonly count: number;
  /** The topic of the newest one. */
  readonly topic: string;
  readonly more_topics: boolean;
  readonly first_at: string;
  readonly last_at: string;
  /** The id of the newest one. */
  readonly newest: string;
}

/** One action in the history of a dead letter. */
export interface DeadLetterActionView {
  readonly number: number;
  readonly kind: 'replay' | 'drop';
  readonly by: string | null;
  readonly key_id: string | null;
  readonly reason: string | null;
  readonly at: string;
  /** Whether the replay published another body than that of the dead letter. */
  readonly mended: boolean;
  readonly replay_seq: number | null;
  /** What the consumer made of the replay; null for a drop, or until the brokers acknowledged it. */
  readonly became: 'stored' | 'duplicate' | 'dead_letter' | 'in_flight' | null;
  /** Why the replay failed again. */
  readonly failure: { readonly reason: string; readonly detail: string } | null;
}

/** One dead letter in the form of `GET /dead-letters/{id}`. */
export interface DeadLetterDetail extends DeadLetterView {
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: {
    /** Null where the body is not UTF-8. */
    readonly text: string | null;
    readonly base64: string;
    /** Whether the body has more bytes than these. */
    readonly is_cut: boolean;
  };
  /** Oldest first. */
  readonly history: readonly DeadLetterActionView[];
}

/** What a replay or a drop did to one dead letter. */
export interface DeadLetterResult {
  readonly id: string;
  readonly status:
    | /** The brokers have the replay. */ 'published'
      /** The brokers had a replay already, on which the consumer has not decided. */
    | 'in_flight'
    /** An earlier replay had this end. */
    | 'stored'
    | 'duplicate'
    | 'dropped'
    /** In a dry run: it would be replayed, or dropped. */
    | 'possible'
    /** The message is not an event. It needs a mended one. */
    | 'not_replayable'
    | 'unavailable'
    /** Another client acted on it. */
    | 'refused';
  /** The number of the action in the history of the dead letter. */
  readonly number?: number;
  readonly seq?: number;
  readonly detail?: string;
}

/** The answer to a replay or a drop by filter. */
export interface DeadLetterBulkResult {
  readonly dry_run: boolean;
  /** The number of results with each status. */
  readonly counts: Readonly<Record<string, number>>;
  readonly results: readonly DeadLetterResult[];
  /** Given as `cursor` of the next request, it goes on behind these; null after the last one. */
  readonly cursor: string | null;
}
