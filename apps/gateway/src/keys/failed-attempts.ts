/** What is known of a failure. Never the token. */
export interface Failure {
  readonly client: string;
  readonly requestId: string;
  readonly reason: 'no key' | 'unknown key';
}

/** Tells about failures; each call is a line of the log. */
export type FailureLog = (failure: Failure & { readonly failures: number }, message: string) => void;

interface Share {
  failures: number;
  readonly until: number;
}

const WINDOW_MS = 60_000;
/** Failures of one client in a minute; more are answered with 429. */
const FAILURES_MAX = 100;
/** Clients that are counted at a time; the one that began first is forgotten first. */
const CLIENTS_MAX = 10_000;
/** Lines of the log in a minute, whoever they are about. */
const LINES_MAX = 100;

/**
 * Requests without a valid key: said in the log, and bounded for each client.
 *
 *   401 ─more than a minute's share─▶ 429 until the minute is over
 *
 * A token cannot be guessed; the bound keeps a client that tries from filling the log, and from being answered as if it
 * had a chance. A valid key is let in all the same: whoever shares an address with such a client is not locked out.
 */
export class FailedAttempts {
  private readonly shares = new Map<string, Share>();
  private lines: Share = { failures: 0, until: 0 };

  /** @param now milliseconds of a clock that never goes back */
  constructor(
    private readonly log: FailureLog,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Notes one. @returns seconds after which the client may try again, `undefined` while it may go on */
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
