/** The order to the program that offers events at a steady rate, and its report. */

/** An open loop: events are sent when they are due, whether or not earlier ones were answered. */
export interface OfferOrder {
  /** The URL of the gateway. */
  readonly url: string;
  readonly ratePerSecond: number;
  /** A request of 1 event is the plain object, a request of more is an array. */
  readonly eventsPerRequest: number;
  /** The first part of every event id. It differs in every run. */
  readonly idPrefix: string;
  /** The time for which events are offered at the same rate before the measured time begins. */
  readonly leadInMs: number;
  readonly durationMs: number;
}

/** What was offered. */
export interface OfferReport {
  /** Events that were answered with 2xx, lead-in included. */
  readonly accepted: number;
  /** Events that are sent from this moment on are measured, in microseconds since 1970. */
  readonly measuredFromUs: number;
  /** Requests that ended in any other way. */
  readonly failed: number;
  /** How the first of them ended. */
  readonly firstFailure?: string;
}
