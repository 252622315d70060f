/** What the load program is told to do, and what it says afterwards. */

/** A closed loop: each connection sends its next request when it has the answer to the last. */
export interface LoadOrder {
  /** Where to, for example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** For example `/publish`. */
  readonly path: string;
  readonly connections: number;
  /** 1 sends the bare object, more an array. */
  readonly eventsPerRequest: number;
  /** Share of events that repeat one sent before, from 0 to 0.5. */
  readonly repeatShare: number;
  /** First part of every event id; different in every run. */
  readonly idPrefix: string;
  /** Sent before the measured time begins, so that connections stand and code is compiled. */
  readonly leadInMs: number;
  /** The measured time; with `eventsMax` the longest it may take. */
  readonly durationMs: number;
  /** Ends as soon as so many events were sent, however long it took. */
  readonly eventsMax?: number;
}

/** What a load saw. */
export interface LoadReport {
  /** Answered with 2xx in the measured time. */
  readonly requestsPerSecond: number;
  readonly eventsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Different events answered with 2xx, lead-in included: so many must be found behind the subject. */
  readonly differentAccepted: number;
  /** Requests answered with 429 or 503 and `Retry-After`, lead-in included. */
  readonly refused: number;
  /** Requests that ended in any other way, lead-in included. */
  readonly failed: number;
  /** What the first of them ended with. */
  readonly firstFailure?: string;
}

/** What the client without HTTP is told to do. */
export type PublishOrder = Pick<LoadOrder, 'repeatShare' | 'idPrefix' | 'leadInMs' | 'durationMs'>;

/** What the client without HTTP saw. */
export interface PublishReport extends Pick<LoadReport, 'eventsPerSecond' | 'differentAccepted'> {
  /** Processor time it used while it published, in milliseconds. */
  readonly processorMs: number;
}
