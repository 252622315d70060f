/** One event on its way to the stream, and what can become of it. */
import { type UnavailableReason } from './publish-failure.js';

/** An event on its way: what it is called, and its JSON text. */
export interface Publication {
  readonly topic: string;
  readonly eventId: string;
  /** The message body: the event as JSON text. */
  readonly body: string;
}

/** What became of one publish. */
export type PublishOutcome =
  | { readonly status: 'accepted' | 'duplicate'; readonly seq: number }
  | { readonly status: 'unavailable'; readonly reason: UnavailableReason; readonly retryable: boolean };

/** An event that a publisher has taken in. */
export interface PublishJob {
  readonly event: Publication;
  readonly subject: string;
  readonly messageId: string;
  /** When it is given up, by `Date.now()`. */
  readonly deadline: number;
  /**
   * Names this submission: a "duplicate" that bears it is our own message, stored by a try whose answer was lost.
   */
  readonly submission: string;
  readonly resolve: (outcome: PublishOutcome) => void;
  /** Those who asked for the same id meanwhile. */
  readonly followers: ((outcome: PublishOutcome) => void)[];
}

/** The outcome of an event that was not taken. */
export function unavailable(reason: UnavailableReason): PublishOutcome {
  return { status: 'unavailable', reason, retryable: reason !== 'too_large' && reason !== 'refused' };
}
