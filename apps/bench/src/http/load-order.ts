/** The orders to the load program and to the client without HTTP, and their reports. */
import type { RequestForm } from './request-body.js';

/** A closed loop: each connection sends its next request when it has the answer to the last. */
export interface LoadOrder {
  /** The base URL, for example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** For example `/publish`. */
  readonly path: string;
  /** JSON when it is left out. */
  readonly form?: RequestForm;
  readonly connections: number;
  /** A request of 1 event is the plain object, a request of more is an array. */
  readonly eventsPerRequest: number;
  /** Share of events that repeat an earlier one: from 0 to 0.5, and to 1 where `elsewhere` says what is repeated. */
  readonly repeatShare: number;
  /** How many events another gateway has taken. Repeats are of these; the connection's own when it is left out. */
  readonly elsewhere?: number;
  /** Index of the first connection, which decides on its numbers; 0 when it is left out. */
  readonly firstConnection?: number;
  /** The first part of every event id. It differs in every run. */
  readonly idPrefix: string;
  /** The time before the measured time, in which connections are opened and code is compiled. */
  readonly leadInMs: number;
  /** The measured time. With `eventsMax` it is the longest time that the load may take. */
  readonly durationMs: number;
  /** The load ends as soon as this many events were sent, regardless of the time. */
  readonly eventsMax?: number;
}

/** What a load saw. */
export interface LoadReport {
  /** Requests answered with 2xx in the measured time. */
  readonly requestsPerSecond: number;
  readonly eventsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Different events answered with 2xx, lead-in included. This many must be found behind the subject. */
  readonly differentAccepted: number;
  /** Requests answered with 429 or 503 and `Retry-After`, lead-in included. */
  readonly refused: number;
  /** Requests that ended in any other way, lead-in included. */
  readonly failed: number;
  /** How the first of them ended. */
  readonly firstFailure?: string;
}

/** The order to a client without HTTP. */
export interface PublishOrder extends Pick<
  LoadOrder,
  'repeatShare' | 'idPrefix' | 'leadInMs' | 'durationMs'
> {
  /** Events that wait for the brokers at a time; as many as of a gateway when it is left out. */
  readonly inFlight?: number;
}

/** What a client without HTTP saw. */
export interface PublishReport extends Pick<LoadReport, 'eventsPerSecond' | 'differentAccepted'> {
  /** Processor time that the client used while it published, in milliseconds. */
  readonly processorMs: number;
}
