/**
 * How the brokers take a request for a stream or a consumer: soon, not here, or never.
 *
 *   no leader yet, a broker still missing ─▶ tried again, up to a minute
 *   no place ─▶ NoRoomError     not permitted ─▶ isForbidden     refused ─▶ as they say it
 */
import { errors } from '@nats-io/nats-core';
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

/** Whether the brokers answered with a refusal, which repeating does not change. Without a leader (503) it may. */
export function isRefused(error: unknown): boolean {
  return jetStreamErrorCode(error) !== undefined && (error as { status?: unknown }).status !== 503;
}

/** A broker that has not come back yet, after which it passes by itself; a disk that is too small does not. */
function isPeerMissing(error: unknown): boolean {
  return jetStreamErrorCode(error) === NO_SUITABLE_PEERS && !/storage/i.test((error as Error).message);
}

/** The brokers have no place for a stream or a consumer, and whoever runs them has to make some. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError';

  /** Puts an error of the brokers that means this into words that say what to do; any other stays as it is. */
  static from(error: unknown): unknown {
    const code = jetStreamErrorCode(error);
    if (code !== NO_SUITABLE_PEERS && code !== INSUFFICIENT_STORAGE) return error;
    const { message } = error as Error;
    const remedy = /storage/i.test(message)
      ? 'give the brokers more disk, or lower SEKALI_STREAM_BYTES_MAX'
      : 'start the brokers that are missing, or lower SEKALI_STREAM_REPLICAS';
    return new NoRoomError(`the brokers have no place for the stream (${message}): ${remedy}`, {
      cause: error,
    });
  }
}

/**
 * Definitions the brokers will never accept fail at once, and so does what this user may not do. Waited for are a cluster
 * without a leader, and one that has not met all of its brokers again.
 *
 * @throws NoRoomError when the brokers have no place for what is to be made
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
 * Waits for the answer to a request that changes something, after another that was answered. Nobody answers then means that
 * the account of this connection has no right to it: what it has not imported does not exist there.
 */
export async function change<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!hasNoResponders(error)) throw error;
    throw new NotPermittedError('this user may not change that on the brokers', { cause: error });
  }
}

function hasNoResponders(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof errors.NoRespondersError) return true;
  }
  return false;
}

/** Whether this user may not do what it tried. */
export function isForbidden(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof NotPermittedError || cause instanceof errors.PermissionViolationError) return true;
  }
  return false;
}
