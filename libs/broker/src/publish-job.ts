/** One event on its way to the stream, and what can become of it. */
import type { PublishDoor } from '#contracts';
import type { TraceContext } from '#idempotent-consumer/traces';
import { type UnavailableReason } from './publish-failure.js';

/** An event on its way: its topic, its id and its JSON text. */
export interface Publication {
  readonly topic: string;
  readonly eventId: string;
  /** The message body: the event as JSON text. */
  readonly body: string;
}

/** How events came to a publisher. It travels with their messages. */
export interface PublicationOrigin {
  /** The door of a gateway. */
  readonly door?: PublishDoor | undefined;
  /** The trace that they belong to, from the request that brought them. */
  readonly trace?: TraceContext | undefined;
}

/** The result of one publish. */
export type PublishOutcome =
  | { readonly status: 'accepted' | 'duplicate'; readonly seq: number }
  | { readonly status: 'unavailable'; readonly reason: UnavailableReason; readonly retryable: boolean };

/** An event that a publisher has accepted. */
export interface PublishJob {
  readonly event: Publication;
  readonly subject: string;
  readonly messageId: string;
  /** Whether only a publisher with the secret can write the message id, and for this event alone. */
  readonly isUnforgeable: boolean;
  /** When the publisher gives up, on the clock of `Date.now()`. */
  readonly deadline: number;
  /**
   * Identifies this submission. A "duplicate" with this value is our own message, stored by a try whose answer was
   * lost.
   */
  readonly submission: string;
  /** Headers for the trace of the event, one in each line; empty when it belongs to none. */
  readonly traceLines: string;
  readonly resolve: (outcome: PublishOutcome) => void;
  /** Callers that published the same id meanwhile. */
  readonly followers: ((outcome: PublishOutcome) => void)[];
}

/** The outcome of an event that the brokers did not take. */
export function unavailable(reason: UnavailableReason): PublishOutcome {
  return { status: 'unavailable', reason, retryable: reason !== 'too_large' && reason !== 'refused' };
}
