/** One message on its way to the stream, and what can become of it. */
import type { TraceContext } from '../../trace-context.js';
import { type UnavailableReason } from './publish-failure.js';

/** A message to publish. */
export interface PublishRequest {
  readonly subject: string;
  /** By which the brokers recognise a repeat. */
  readonly messageId: string;
  /** The message body: the event as JSON text. */
  readonly body: string;
  /** Whether only a publisher with a secret can write the message id, and for this event alone. The default is false. */
  readonly isUnforgeable?: boolean;
  /** The trace of this message, where it differs from that of the others that are published with it. */
  readonly trace?: TraceContext | undefined;
}

/** How messages came to a publisher. It travels with them. */
export interface PublishOrigin {
  /** The trace that they belong to, such as that of the request that brought them. */
  readonly trace?: TraceContext | undefined;
  /** Makes the name of a submission from its id; by default the id is the name. */
  readonly submissionOf?: ((id: string) => string) | undefined;
}

/** The result of one publish. */
export type PublishOutcome =
  | { readonly status: 'accepted' | 'duplicate'; readonly seq: number }
  | {
      readonly status: 'unavailable';
      readonly reason: UnavailableReason;
      readonly retryable: boolean;
      /** Whether a try without an answer may have stored it; left out when none can have. */
      readonly mayBeStored?: true;
    };

/** A message that a publisher has accepted. */
export interface PublishJob<R extends PublishRequest = PublishRequest> {
  readonly request: R;
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

/**
 * The outcome of a message that the brokers did not take.
 *
 * @param mayBeStored whether a try without an answer may have stored it
 */
export function unavailable(reason: UnavailableReason, mayBeStored = false): PublishOutcome {
  const retryable = reason !== 'too_large' && reason !== 'refused';
  return { status: 'unavailable', reason, retryable, ...(mayBeStored && { mayBeStored }) };
}
