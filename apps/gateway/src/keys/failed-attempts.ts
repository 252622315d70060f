/** What is known of a failure, but never the token. */
export interface Failure {
  readonly client: string;
  readonly requestId: string;
  readonly reason: 'no key' | 'unknown key';
}

/** Logs failures; each call is one line. */
export type FailureLog = (failure: Failure & { readonly failures: number }, message: string) => void;

interface Share {
  failures: number;
  readonly until: number;
}

const WINDOW_MS = 60_000;
/** Failures of one client per minute; more are answered with 429. */
const FAILURES_MAX = 100;
/** Clients that are counted at a time. The one that started first is forgotten first. */
const CLIENTS_MAX = 10_000;
/** Lines of the log per minute, for all clients. */
const LINES_MAX = 100;

/**
 * Logs requests without a valid key, and bounds them for each client.
 *
 *   401 ─more than a minute's share─▶ 429 until the minute is over
 *
 * A token cannot be guessed. The bound keeps a client that tries from filling the log, and from being served at full
 * cost. A valid key is always admitted, so clients that share an address with the offender are not locked out.
 */
export class FailedAttempts {
  private readonly shares = new Map<string, Share>();
  private lines: Share = { failures: 0, until: 0 };

  /** @param now milliseconds of a monotonic clock */
  constructor(
    private readonly log: FailureLog,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Notes a failure. @returns seconds after which the client may try again, `undefined` while it may continue */
  note(failure: Failure): number | undefined {
    const now = this.now();
    const share = this.shareOf(failure.client, now);
    share.failures += 1;
    const { failures } = share;
    if (failures === 1) this.report({ ...failure, failures }, 'a request had no valid key', now);
    if (failures === FAILURES_MAX + 1)
      this.report(
        { ...failure, failures },
        'too many requests had no valid key; more are refused with 429',
        now,
      );
    return failures <= FAILURES_MAX ? undefined : Math.max(1, Math.ceil((share.until - now) / 1_000));
  }

  private shareOf(client: string, now: number): Share {
    const known = this.shares.get(client);
    if (known !== undefined && known.until > now) return known;
    this.shares.delete(client);
    if (this.shares.size >= CLIENTS_MAX) {
      const [first] = this.shares.keys();
      if (first !== undefined) this.shares.delete(first);
    }
    const share = { failures: 0, until: now + WINDOW_MS };
    this.shares.set(client, share);
    return share;
  }

  private report(failure: Failure & { failures: number }, message: string, now: number): void {
    if (this.lines.until <= now) this.lines = { failures: 0, until: now + WINDOW_MS };
    this.lines.failures += 1;
    if (this.lines.failures < LINES_MAX) this.log(failure, message);
    else if (this.lines.failures === LINES_MAX)
      this.log(failure, `${message}; the log says nothing more of this for up to a minute`);
  }
}
