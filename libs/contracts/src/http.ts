/** The shapes at the gateway's HTTP door, named as on the wire. */
import type { FieldError } from './event.js';
import type { IdOrigin } from './identity.js';

/**
 * What a worker decided on a published event. It is `pending` while none has, and `duplicate` also when the brokers
 * dropped the repeat of an event that was stored.
 */
export type PublishedOutcome = 'stored' | 'duplicate' | 'conflict' | 'dead_letter' | 'pending';

/** The outcome of one event of a `POST /publish`. */
export interface PublishResult {
  readonly index: number;
  readonly topic?: string;
  readonly event_id?: string;
  /** Where the id comes from, when the event did not bring it in this form. */
  readonly id_origin?: Exclude<IdOrigin, 'given'>;
  /** The name from which the topic was derived, when they differ. */
  readonly topic_name?: string;
  readonly status: 'accepted' | 'duplicate' | 'invalid' | 'unavailable';
  /** The stream sequence of the event; left out when the broker does not have it. */
  readonly seq?: number;
  /** Only where the client waited for it, see `PublishResponse.outcomes`. */
  readonly outcome?: PublishedOutcome;
  /** The sequence of the stored event, of which this one is a duplicate or with which it is in conflict. */
  readonly first_seq?: number;
  /** Why it is a dead letter. */
  readonly reason?: string;
  readonly errors?: readonly FieldError[];
}

/** The answer to `POST /publish`. */
export interface PublishResponse {
  /** Events of this request that the broker now has. */
  readonly accepted: number;
  /** The accepted events that the broker already had. */
  readonly duplicates: number;
  /** The number of accepted events with each outcome. Only a client that waits for them (`Prefer: wait`) gets it. */
  readonly outcomes?: Readonly<Record<PublishedOutcome, number>>;
  /** The invalid events. Only lenient handling accepts the valid ones of the same request. */
  readonly rejected: readonly PublishResult[];
  /** One result for each event, in the order sent. */
  readonly results: readonly PublishResult[];
}

/** A problem as defined by RFC 9457. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly instance?: string;
  readonly [extension: string]: unknown;
}

/** One stored event in the form of `GET /events`. */
export interface EventView {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: unknown;
  readonly seq: number;
  readonly published_at: string;
  readonly stored_at: string;
}

/** The figures of one topic. */
export interface TopicStats {
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly conflicts: number;
  readonly dead_letters: number;
}

/** The answer to `GET /stats`. `received = unique_processed + duplicate_dropped + dead_letters + in_flight`. */
export interface StatsView {
  readonly received: number;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  /** Names of topics with stored events, among the first topics of `per_topic`. */
  readonly topics: readonly string[];
  readonly uptime_seconds: number;
  readonly duplicates: { readonly broker: number; readonly store: number };
  readonly conflicts: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly redelivered: number;
  /** The figures of the first topics by name. Where others follow, `more_topics` is true and `Link` leads to them. */
  readonly per_topic: Readonly<Record<string, TopicStats>>;
  readonly more_topics: boolean;
  /** Messages that left the stream, or were acknowledged, without being settled. None of them counts as received. */
  readonly gone: number;
  /** Age in seconds of the oldest unsettled message; 0 when there is none. */
  readonly lag_seconds: number;
  /** Seconds until that message leaves the stream by age, unsettled; null when there is none, or none leaves by age. */
  readonly expires_in_seconds: number | null;
  /** For how many days an id is kept at least, after which a repeat is a new event; null is for ever. */
  readonly ids_kept_days: number | null;
}

/**
 * The answer to `GET /stats/topics`: the figures of some topics, in the order of their names. `Link` leads to the next
 * page.
 */
export interface TopicStatsView {
  readonly per_topic: Readonly<Record<string, TopicActivity>>;
  readonly more_topics: boolean;
}

/** The figures of a topic, and when its last message was settled. */
export interface TopicActivity extends TopicStats {
  /** Counts are kept by the minute, and in longer spans with age. Null where none was counted by time. */
  readonly last_settled: { readonly start: string; readonly seconds: number } | null;
}

/** The answer to `GET /stats/repeats`: the newest repeats that the store dropped, by topic and source. */
export interface RepeatsView {
  /** Repeats that were inspected. */
  readonly inspected: number;
  /** When the oldest of them was recorded; null when there is none. */
  readonly since: string | null;
  /** The most frequent first. */
  readonly sources: readonly RepeatingSourceView[];
}

/** How often the events of a source were sent again to a topic. */
export interface RepeatingSourceView {
  readonly topic: string;
  /** Of the first event; null where it was dropped by age. */
  readonly source: string | null;
  /** Includes conflicts. */
  readonly repeats: number;
  readonly conflicts: number;
  readonly last_at: string;
}
