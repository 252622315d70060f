import { withTimeout } from '#waiting';

const READ_MS_MAX = 1_000;
const AGAIN_MS = 2_000;

/**
 * The secret of the digests in message ids, as soon as the database has given it.
 *
 *   unknown ─read─▶ known, for the life of the process
 *      └─no answer, or none yet─▶ read again after 2 s
 *
 * Until then, digests are without a secret. Such ids are other ones, so a repeat passes the brokers and the inbox
 * finds it. That costs, and nothing else.
 */
export class DigestSecret {
  private secret: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** @param read asks the database; `undefined` when it has no secret yet */
  constructor(private readonly read: () => Promise<string | undefined>) {}

  /** The secret, `undefined` while it is not known. */
  get current(): string | undefined {
    return this.secret;
  }

  /** Resolves after the first try, which takes a second at most. The others follow by themselves. */
  async open(): Promise<void> {
    this.secret = await withTimeout(READ_MS_MAX, this.read()).catch(() => undefined);
    if (this.secret === undefined && !this.isClosed)
      this.timer = setTimeout(() => void this.open(), AGAIN_MS);
  }

  /** Ends the tries. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }
}
