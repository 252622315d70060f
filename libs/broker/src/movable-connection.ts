import type { NatsConnection, Server } from '@nats-io/nats-core';
import { valueOrTimeout } from '#waiting';
import { type BrokerAddress, connectBroker, type ConnectOptions } from './connection.js';

const MOVE_ON_MS_MAX = 3_000;
const FLUSH_MS_MAX = 500;

/**
 * A connection that can be moved to a broker by its name, or away from its current one.
 *
 * The broker that leads a consumer sends its deliveries and takes its acks. Over any other broker, each of them takes
 * one more hop. In a drain that cost the brokers 20 instead of 14 µs of processor time per event.
 *
 * Addresses do not show which broker is behind them, so names are learned by connecting. The client's own rotation does
 * not help, because it skips addresses that were used a moment ago. But it allows its choice to be changed at every
 * try.
 */
export class MovableConnection {
  private movingOn: Promise<string | undefined> | undefined;
  private lastMoveMs = -Infinity;

  private constructor(
    readonly connection: NatsConnection,
    private readonly choice: AddressChoice,
  ) {}

  /** Connects, as `connectBroker` does. */
  static async open(
    address: BrokerAddress,
    options: Pick<ConnectOptions, 'waitForFirst'>,
  ): Promise<MovableConnection> {
    const choice = new AddressChoice();
    const connection = await connectBroker(address, {
      ...options,
      choose: (servers) => choice.among(servers),
    });
    return new MovableConnection(connection, choice);
  }

  /**
   * Reconnects until the connection is with `broker`, trying each address once. Earlier messages are flushed first.
   * Messages sent meanwhile may be lost, and so are pending requests.
   *
   * @param signal gives up; the connection is then with any broker, or still on its way to one
   * @returns whether it is with `broker`
   */
  async moveTo(broker: string, signal: AbortSignal): Promise<boolean> {
    const isThere = (): boolean => this.connection.info?.server_name === broker;
    this.choice.seek(broker);
    try {
      for (;;) {
        this.choice.learn(this.connection.getServer(), this.connection.info?.server_name);
        if (isThere() || signal.aborted || !this.choice.hasMore(this.connection.getServers())) break;
        await untilAborted(signal, this.reconnect(signal));
      }
    } finally {
      this.choice.seek(undefined);
    }
    return isThere();
  }

  /**
   * Moves the connection to another broker, at the address whose last use is longest ago. The addresses are tried in
   * turn. A single address is dialled again, because another broker may be behind it. Simultaneous calls share one
   * move.
   *
   * @returns the name of the broker that the connection then has; `undefined` when it is still on its way after 3 s
   */
  async moveOn(): Promise<string | undefined> {
    this.movingOn ??= this.leave().finally(() => {
      this.movingOn = undefined;
      this.lastMoveMs = performance.now();
    });
    return this.movingOn;
  }

  /** When `moveOn` last ended, on the clock of `performance.now`; -Infinity before its first call. */
  get movedAtMs(): number {
    return this.lastMoveMs;
  }

  private async leave(): Promise<string | undefined> {
    const patience = new AbortController();
    const timer = setTimeout(() => {
      patience.abort();
    }, MOVE_ON_MS_MAX);
    this.choice.leave(this.connection.getServer());
    try {
      await untilAborted(patience.signal, this.reconnect(patience.signal));
      return patience.signal.aborted ? undefined : this.connection.info?.server_name;
    } finally {
      clearTimeout(timer);
      this.choice.seek(undefined);
    }
  }

  /** Resolves when the connection stands again, or is closed. */
  private async reconnect(signal: AbortSignal): Promise<void> {
    // A flush during a disconnect fails, or never gets an answer.
    await valueOrTimeout(FLUSH_MS_MAX, this.connection.flush()).catch(() => undefined);
    if (signal.aborted || this.connection.isClosed()) return;
    const statuses = this.connection.status();
    await this.connection.reconnect();
    for await (const { type } of statuses) if (type === 'reconnect') return;
  }
}

/** Waits for `work`, but not beyond the end of `signal`. */
async function untilAborted(signal: AbortSignal, work: Promise<void>): Promise<void> {
  let stopWaiting = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stopWaiting = resolve;
  });
  signal.addEventListener('abort', stopWaiting);
  await Promise.race([work, aborted]).finally(() => {
    signal.removeEventListener('abort', stopWaiting);
  });
}

type Address = Pick<Server, 'listen'>;

/** No broker has this name: names have no spaces. */
const ANY_OTHER = ' ';

/** Which address to try next. */
class AddressChoice {
  private readonly names = new Map<string, string>();
  private readonly tried = new Set<string>();
  /** When each address was chosen last, in order of choice. */
  private readonly uses = new Map<string, number>();
  private useCount = 0;
  private sought: string | undefined;

  /** Starts a search for a broker. With `undefined` it ends the search, and the client chooses as usual. */
  seek(broker: string | undefined): void {
    this.sought = broker;
    this.tried.clear();
  }

  /** Starts a search for any broker except the one at an address, unless there is only one. */
  leave(listen: string): void {
    this.seek(ANY_OTHER);
    this.tried.add(listen);
    this.use(listen);
  }

  /** Remembers which broker an address led to. */
  learn(listen: string, name: string | undefined): void {
    this.tried.add(listen);
    if (name !== undefined) this.names.set(listen, name);
  }

  /** Whether an untried address may lead to the broker. */
  hasMore(addresses: readonly Address[]): boolean {
    return this.next(addresses) !== undefined;
  }

  /** @returns the address to try, or `null` when the client may choose */
  among<A extends Address>(addresses: readonly A[]): A | null {
    const next = this.sought === undefined ? undefined : this.next(addresses);
    if (next) {
      this.tried.add(next.listen);
      this.use(next.listen);
    }
    return next ?? null;
  }

  private use(listen: string): void {
    this.uses.set(listen, (this.useCount += 1));
  }

  /** The address where the broker was met before comes first. Brokers move, so the others follow. */
  private next<A extends Address>(addresses: readonly A[]): A | undefined {
    const left = addresses.filter(({ listen }) => !this.tried.has(listen));
    if (this.sought === ANY_OTHER) {
      const usedAt = ({ listen }: A): number => this.uses.get(listen) ?? 0;
      return left.sort((one, other) => usedAt(one) - usedAt(other))[0];
    }
    return left.find(({ listen }) => this.names.get(listen) === this.sought) ?? left[0];
  }
}
