/**
 * How the brokers respond to a request for a stream or a consumer: later, not here, or never.
 *
 *   no leader yet, a broker still missing ─▶ retried, up to a minute
 *   no room ─▶ NoRoomError     not permitted ─▶ isForbidden     refused ─▶ the brokers' own error
 */
import { errors } from '@nats-io/nats-core';
import { hasNoResponders } from '#idempotent-consumer/jetstream';
import { retry } from '#waiting';
import { DefinitionError } from './definition-differences.js';

const NO_SUITABLE_PEERS = 10005;
const INSUFFICIENT_STORAGE = 10047;
const AVAILABLE_TIMEOUT_MS = 60_000;
const RETRY_MS = 500;

/** The server's own error code of a JetStream API error, or `undefined` for any other error. */
export function jetStreamErrorCode(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : undefined;
}

/**
 * Whether the brokers refused the request, so that a repeat changes nothing. Without a leader (503) a repeat may
 * succeed.
 */
export function isRefused(error: unknown): boolean {
  return jetStreamErrorCode(error) !== undefined && (error as { status?: unknown }).status !== 503;
}

/** A missing broker comes back by itself, and the error passes with it. A disk that is too small stays too small. */
function isPeerMissing(error: unknown): boolean {
  return jetStreamErrorCode(error) === NO_SUITABLE_PEERS && !/storage/i.test((error as Error).message);
}

/** The brokers have no room for a stream or a consumer, and their operator has to make some. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError';

  /** Turns such an error of the brokers into one that says what to do. Any other error stays as it is. */
  static from(error: unknown): unknown {
    const code = jetStreamErrorCode(error);
    if (code !== NO_SUITABLE_PEERS && code !== INSUFFICIENT_STORAGE) return error;
    const { message } = error as Error;
    const remedy = /storage/i.test(message)
      ? 'give the brokers more disk, or lower SEKALI_STREAM_BYTES_MAX'
      : 'start the brokers that are missing, or lower SEKALI_STREAM_REPLICAS';
    return new NoRoomError(`the brokers have no room for the stream (${message}): ${remedy}`, {
      cause: error,
    });
  }
}

/**
 * Carries out an action, and retries it while the cluster has no leader or has not reached all of its brokers again. A
 * definition that the brokers will never accept fails at once, and so does an action that this user may not do.
 *
 * @throws NoRoomError when the brokers have no room
 */
export async function whenAvailable<T>(action: () => Promise<T>): Promise<T> {
  const isFinal = (error: unknown): boolean =>
    (isRefused(error) && !isPeerMissing(error)) || error instanceof DefinitionError || isForbidden(error);
  const bounds = {
    forMs: AVAILABLE_TIMEOUT_MS,
    everyMs: RETRY_MS,
    isPassing: (error: unknown) => !isFinal(error),
  };
  return retry(action, bounds).catch((error: unknown) => {
    throw NoRoomError.from(error);
  });
}

/** The brokers do not let this user change something. */
class NotPermittedError extends Error {
  override readonly name = 'NotPermittedError';
}

/**
 * Waits for the answer to a request that changes something, sent after another request was answered. When no broker
 * responds to it, the account of this connection does not import that part of the API.
 */
export async function change<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!hasNoResponders(error)) throw error;
    throw new NotPermittedError('this user may not change that on the brokers', { cause: error });
  }
}

/** Whether an error means that this user may not do what it tried. */
export function isForbidden(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof NotPermittedError || cause instanceof errors.PermissionViolationError) return true;
  }
  return false;
}
