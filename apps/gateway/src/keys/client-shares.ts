/** What a client has used in its window of time. */
export interface ClientShare {
  readonly used: number;
  /** When the window ends, by the clock of the shares. */
  readonly until: number;
}

/** Clients that are counted at a time. The one that started first is forgotten first. */
const CLIENTS_MAX = 10_000;

/** Adds up what each client uses, in windows of time that begin with its first use. */
export class ClientShares {
  private readonly shares = new Map<string, ClientShare>();

  /** @param now milliseconds of a monotonic clock */
  constructor(
    private readonly windowMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Adds to the share of a client. @returns the share with it */
  add(client: string, amount: number): ClientShare {
    const known = this.current(client);
    const share = {
      used: (known?.used ?? 0) + amount,
      until: known?.until ?? this.now() + this.windowMs,
    };
    if (known === undefined) this.makeRoom(client);
    this.shares.set(client, share);
    return share;
  }

  /** What a client has used in the present window. */
  usedBy(client: string): number {
    return this.current(client)?.used ?? 0;
  }

  private current(client: string): ClientShare | undefined {
    const share = this.shares.get(client);
    return share !== undefined && share.until > this.now() ? share : undefined;
  }

  /** A client that begins a new window is the youngest again. */
  private makeRoom(client: string): void {
    this.shares.delete(client);
    if (this.shares.size < CLIENTS_MAX) return;
    const [first] = this.shares.keys();
    if (first !== undefined) this.shares.delete(first);
  }
}
