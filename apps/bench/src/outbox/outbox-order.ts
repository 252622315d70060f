/** The order to a service with an outbox, and its report. */

/** The library's outbox, or the plainest one. */
export type OutboxKind = 'library' | 'plain';

/** What the service does in one round. */
export interface OutboxOrder {
  readonly kind: OutboxKind;
  /** Events that have to be published: those that wait, or those that the service commits meanwhile. */
  readonly events: number;
  /** Events in each transaction of the service; it commits none when this is left out. */
  readonly eventsPerCommit?: number;
  /** The first part of the id of each event that it commits. */
  readonly idPrefix: string;
}

/** What the service did. */
export interface OutboxReport {
  readonly eventsPerSecond: number;
  /** Events that its relay published. A relay that stops finishes its round, so there may be more than were ordered. */
  readonly published: number;
  /** Processor time that it used meanwhile, in milliseconds. */
  readonly processorMs: number;
}
