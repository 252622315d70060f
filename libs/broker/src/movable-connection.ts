import type { NatsConnection, Server } from '@nats-io/nats-core';
import { valueOrTimeout } from '#waiting';
import { type BrokerAddress, connectBroker, type ConnectOptions } from './connection.js';

const MOVE_ON_MS_MAX = 3_000;
const FLUSH_MS_MAX = 500;

/**
 * A connection that can be taken to a broker by its name, or away from the one where it is.
 *
 * The broker that leads a consumer sends its deliveries and takes its acks. Over any other broker each of them takes
 * one more step: in a drain it cost the brokers 20 instead of 14 µs of processor time an event.
 *
 * Addresses do not tell which broker is behind them, so names are learned by connecting. The client's own rotation is
 * no help: it skips addresses that were used a moment ago. It lets its choice be changed, though, at every try.
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
   * Connects anew until the connection is with `broker`, trying each address once. What was sent before is flushed; what is
   * sent meanwhile may be lost, and so are the requests that wait for an answer.
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
   * Connects to another broker than the one where the connection is: to the address that was used the longest time ago.
   * The addresses are tried in turn; where there is but one, it is dialled again, as another broker may be behind it. Calls at
   * the same time are one.
   *
   * @returns the name of the broker where the connection stands; `undefined` when it is still on its way after 3 s
   */
  async moveOn(): Promise<string | undefined> {
    this.movingOn ??= this.leave().finally(() => {
      this.movingOn = undefined;
      this.lastMoveMs = performance.now();
    });
    return this.movingOn;
  }

  /** When `moveOn` ended last, by the clock of `performance.now`; -Infinity when it never was called. */
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
    // A flush that meets a connection as it breaks fails, or is never answered.
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

  /** Begins a search for a broker, or ends it: then the client chooses as it always does. */
  seek(broker: string | undefined): void {
    this.sought = broker;
    this.tried.clear();
  }

  /** Begins a search for any broker but the one at an address, unless there is no other. */
  leave(listen: string): void {
    this.seek(ANY_OTHER);
    this.tried.add(listen);
    this.use(listen);
  }

  /** Remembers who was met where. */
  learn(listen: string, name: string | undefined): void {
    this.tried.add(listen);
    if (name !== undefined) this.names.set(listen, name);
  }

  /** Whether an address is left that may be the one sought. */
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

  /** First the address at which it was met before; brokers move, so the others too. */
  private next<A extends Address>(addresses: readonly A[]): A | undefined {
    const left = addresses.filter(({ listen }) => !this.tried.has(listen));
    if (this.sought === ANY_OTHER) {
      const usedAt = ({ listen }: A): number => this.uses.get(listen) ?? 0;
      return left.sort((one, other) => usedAt(one) - usedAt(other))[0];
    }
    return left.find(({ listen }) => this.names.get(listen) === this.sought) ?? left[0];
  }
}
