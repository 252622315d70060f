/**
 * What a failed try to publish means: try again with the same id, and how soon, or give up.
 *
 * Nothing here decides whether the brokers have the message. A try that ended without an answer may have stored it. The
 * duplicate window makes the next try with the same id harmless either way.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';

/** Why an event was not taken. */
export type UnavailableReason =
  /** Too many publishes are waiting in this process already. */
  | 'busy'
  /** The stream, or the brokers' storage, is full. */
  | 'stream_full'
  /** The brokers did not take it within the budget. */
  | 'no_answer'
  /** The brokers refuse a message of this size. */
  | 'too_large'
  /** The brokers refuse it for another reason, and would refuse it again. */
  | 'refused'
  /** This publisher is being stopped. */
  | 'stopping';

/** How soon a failed try is repeated. */
export type RetryPace = 'in_process' | 'unanswered' | 'slow_down';

/** What to do after a failed try. */
export type PublishFailure =
  | {
      readonly retry: true;
      readonly pace: RetryPace;
      /** Whether the brokers may have stored the message all the same. */
      readonly mayBeStored: boolean;
    }
  | { readonly retry: false; readonly reason: UnavailableReason };

// The server's own codes (nats-server, server/errors.json).
const DUPLICATE_IN_PROCESS = 10158;
const TOO_MANY_REQUESTS = 10167;
const STORE_FAILED = 10077;
const TOO_LARGE = new Set([
  10054, // message size exceeds maximum allowed
  10097, // header size exceeds maximum allowed
]);
const OUT_OF_SPACE = new Set([
  10002, // resource limits exceeded for account
  10023, // insufficient resources
  10028, // insufficient memory resources available
  10047, // insufficient storage resources available
  10122, // stream max bytes exceeds account limit
]);
/** `10077` is any failure to store. Only these descriptions mean that there is no room. */
const FULL = /maximum (bytes|messages)|insufficient|no space/i;

/** Says what a failed try means. It never throws; an unforeseen error is tried again. */
export function publishFailure(error: unknown): PublishFailure {
  if (error instanceof JetStreamApiError) return apiFailure(error);
  if (error instanceof errors.InvalidArgumentError) {
    // The client itself refuses what is larger than the brokers' max_payload.
    return { retry: false, reason: error.message.includes('max_payload') ? 'too_large' : 'refused' };
  }
  const cause = error instanceof errors.RequestError ? error.cause : error;
  if (cause instanceof errors.PermissionViolationError || cause instanceof errors.InvalidSubjectError) {
    return { retry: false, reason: 'refused' };
  }
  // We closed the connection for good. A lost connection is being dialled again and has other errors.
  if (cause instanceof errors.ClosedConnectionError || cause instanceof errors.DrainingConnectionError) {
    return { retry: false, reason: 'stopping' };
  }
  return { retry: true, pace: 'unanswered', mayBeStored: !hasNoResponders(error) };
}

function apiFailure(error: JetStreamApiError): PublishFailure {
  const { code, status } = error;
  if (code === DUPLICATE_IN_PROCESS) return { retry: true, pace: 'in_process', mayBeStored: true };
  if (code === TOO_MANY_REQUESTS || status === 429)
    return { retry: true, pace: 'slow_down', mayBeStored: false };
  if (TOO_LARGE.has(code)) return { retry: false, reason: 'too_large' };
  if (OUT_OF_SPACE.has(code)) return { retry: false, reason: 'stream_full' };
  if (code === STORE_FAILED && FULL.test(error.message)) return { retry: false, reason: 'stream_full' };
  return status >= 500
    ? { retry: true, pace: 'unanswered', mayBeStored: true }
    : { retry: false, reason: 'refused' };
}

/** Whether no broker got the request, which the client says by several errors around its own. */
export function hasNoResponders(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof errors.NoRespondersError) return true;
  }
  return false;
}

/** Whether the brokers may have stored a message although its try failed. */
export function mayBeStored(error: unknown): boolean {
  const failure = publishFailure(error);
  return failure.retry && failure.mayBeStored;
}

/** Whether no broker answered. A broker that is cut off from the others causes the same errors. */
export function isUnanswered(error: unknown): boolean {
  const failure = publishFailure(error);
  return failure.retry && failure.pace === 'unanswered';
}

const PACES: Readonly<Record<RetryPace, { readonly firstMs: number; readonly lastMs: number }>> = {
  // The other publish with this id is decided within one round of the Raft group.
  in_process: { firstMs: 10, lastMs: 100 },
  unanswered: { firstMs: 50, lastMs: 500 },
  slow_down: { firstMs: 250, lastMs: 1_000 },
};

/**
 * How long to wait before the next try. The time doubles, with jitter, so that publishers do not retry in step.
 *
 * @param tries how many have failed, 1 or more
 * @param random a number from 0 to 1
 */
export function retryDelayMs(pace: RetryPace, tries: number, random = Math.random()): number {
  const { firstMs, lastMs } = PACES[pace];
  const fullMs = Math.min(lastMs, firstMs * 2 ** Math.min(tries - 1, 16));
  return fullMs * (0.5 + random / 2);
}
