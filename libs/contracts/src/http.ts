/** The shapes that cross the gateway's HTTP door, named as on the wire. */
import type { FieldError } from './event.js';

/** What became of one event of a `POST /publish`. */
export interface PublishResult {
  readonly index: number;
  readonly topic?: string;
  readonly event_id?: string;
  readonly status: 'accepted' | 'duplicate' | 'invalid' | 'unavailable';
  /** The stream sequence under which the broker has it; not there when it has not. */
  readonly seq?: number;
  readonly errors?: readonly FieldError[];
}

/** The answer to `POST /publish`. */
export interface PublishResponse {
  /** Events of this request that the broker now has. */
  readonly accepted: number;
  /** Those of them that it had already. */
  readonly duplicates: number;
  /** The invalid ones, which only lenient handling lets pass beside valid ones. */
  readonly rejected: readonly PublishResult[];
  /** One for each event, in the order sent. */
  readonly results: readonly PublishResult[];
}

/** A problem as in RFC 9457. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly instance?: string;
  readonly [extension: string]: unknown;
}

/** One stored event, as `GET /events` shows it. */
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
  /** Names of topics with stored events, among the first that `per_topic` has. */
  readonly topics: readonly string[];
  readonly uptime_seconds: number;
  readonly duplicates: { readonly broker: number; readonly store: number };
  readonly conflicts: number;
  readonly dead_letters: number;
  readonly in_flight: number;
  readonly redelivered: number;
  /** Of the first topics by name. Where others follow, `more_topics` is true and `Link` leads to them. */
  readonly per_topic: Readonly<Record<string, TopicStats>>;
  readonly more_topics: boolean;
  /** Messages that left the stream, or were acknowledged, without being settled: none of them is received. */
  readonly gone: number;
  /** Age in seconds of the oldest message that is not settled yet; 0 when there is none. */
  readonly lag_seconds: number;
  /** Seconds until that message leaves the stream by age, unsettled; null when there is none, or none leaves by age. */
  readonly expires_in_seconds: number | null;
}

/** The answer to `GET /stats/topics`: the figures of some topics, in the order of their names. `Link` leads to the next. */
export interface TopicStatsView {
  readonly per_topic: Readonly<Record<string, TopicStats>>;
  readonly more_topics: boolean;
}
