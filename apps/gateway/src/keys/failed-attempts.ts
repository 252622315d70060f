import type { Logger } from '#observability';
import { problem, ProblemError } from '../problems/problem-error.js';
import { ClientShares } from './client-shares.js';

/** What a request has to prove its sender with. */
export type Proof = 'key' | 'signature';

/** What is known of a failure, but never the token. */
export interface Failure {
  readonly client: string;
  readonly requestId: string;
  readonly reason: string;
  /** The topic of a delivery, where it is one of ours. */
  readonly topic?: string;
}

/** Logs failures; each call is one line. */
export type FailureLog = (failure: Failure & { readonly failures: number }, message: string) => void;

const WINDOW_MS = 60_000;
/** Failures of one client per minute; more are answered with 429. */
const FAILURES_MAX = 100;
/** Lines of the log per minute, for all clients. */
const LINES_MAX = 100;

/**
 * Logs requests without a valid key or signature, and bounds them for each client.
 *
 *   401 ─more than a minute's share─▶ 429 until the minute is over
 *
 * Neither can be guessed. The bound keeps a client that tries from filling the log, and from being served at full cost.
 * A valid proof is always admitted, so clients that share an address with the offender are not locked out.
 */
export class FailedAttempts {
  private readonly shares: ClientShares;
  private lines = { count: 0, until: 0 };

  /** @param now milliseconds of a monotonic clock */
  constructor(
    private readonly log: FailureLog,
    private readonly proof: Proof = 'key',
    private readonly now: () => number = () => performance.now(),
  ) {
    this.shares = new ClientShares(WINDOW_MS, now);
  }

  /** Notes a failure. @returns seconds after which the client may try again, `undefined` while it may continue */
  note(failure: Failure): number | undefined {
    const now = this.now();
    const { used: failures, until } = this.shares.add(failure.client, 1);
    if (failures === 1) this.report({ ...failure, failures }, `a request had no valid ${this.proof}`, now);
    if (failures === FAILURES_MAX + 1)
      this.report(
        { ...failure, failures },
        `too many requests had no valid ${this.proof}; more are refused with 429`,
        now,
      );
    return failures <= FAILURES_MAX ? undefined : Math.max(1, Math.ceil((until - now) / 1_000));
  }

  private report(failure: Failure & { failures: number }, message: string, now: number): void {
    if (this.lines.until <= now) this.lines = { count: 0, until: now + WINDOW_MS };
    this.lines.count += 1;
    if (this.lines.count < LINES_MAX) this.log(failure, message);
    else if (this.lines.count === LINES_MAX)
      this.log(failure, `${message}; the log says nothing more of this for up to a minute`);
  }
}

/** Failures that a logger gets. */
export function loggedFailures(logger: Logger, proof: Proof): FailedAttempts {
  const log: FailureLog = ({ requestId, ...failure }, message) => {
    logger.warn({ request_id: requestId, ...failure }, message);
  };
  return new FailedAttempts(log, proof);
}

/** The refusal of a client that has failed too often. @param seconds after which it may try again */
export function tooManyFailures(proof: Proof, seconds: number): ProblemError {
  const detail = `Too many requests without a valid ${proof} came from this address. A valid ${proof} is still accepted.`;
  return new ProblemError(problem('too-many-requests', 429, detail), { 'retry-after': String(seconds) });
}
