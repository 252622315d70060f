/** What the program that offers events at a steady rate is told to do, and what it says afterwards. */

/** An open loop: events are sent when they are due, whether or not earlier ones were answered. */
export interface OfferOrder {
  /** The gateway. */
  readonly url: string;
  readonly ratePerSecond: number;
  /** 1 sends the bare object, more an array. */
  readonly eventsPerRequest: number;
  /** First part of every event id; different in every run. */
  readonly idPrefix: string;
  /** Offered before the measured time begins, at the same rate. */
  readonly leadInMs: number;
  readonly durationMs: number;
}

/** What was offered. */
export interface OfferReport {
  /** Events sent and answered with 2xx, lead-in included. */
  readonly accepted: number;
  /** Events sent from here on are measured, in microseconds since 1970. */
  readonly measuredFromUs: number;
  /** Requests that ended in any other way. */
  readonly failed: number;
  /** What the first of them ended with. */
  readonly firstFailure?: string;
}
