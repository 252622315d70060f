/**
 * A connection that can be taken to a broker by its name.
 *
 * The broker that leads a consumer sends its deliveries and takes its acks. Over any other broker each of them takes one
 * more step: in a drain it cost the brokers 20 instead of 14 µs of processor time an event.
 *
 * Addresses do not tell which broker is behind them, so names are learned by connecting. The client's own rotation is no
 * help: it skips addresses that were used a moment ago. It lets its choice be changed, though, at every try.
 */
import type { NatsConnection, Server } from '@nats-io/nats-core';
import { type BrokerAddress, connectBroker, type ConnectOptions } from './connection.js';

/** See the head of this file. */
export class MovableConnection {
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
        await untilAborted(signal, this.connectAnew(signal));
      }
    } finally {
      this.choice.seek(undefined);
    }
    return isThere();
  }

  /** Resolves when the connection stands again, or is closed. */
  private async connectAnew(signal: AbortSignal): Promise<void> {
    // A flush that meets a connection as it breaks fails, or is never answered.
    await this.connection.flush().catch(() => undefined);
    if (signal.aborted) return;
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

/** Which address to try next. */
class AddressChoice {
  private readonly names = new Map<string, string>();
  private readonly tried = new Set<string>();
  private sought: string | undefined;

  /** Begins a search for a broker, or ends it: then the client chooses as it always does. */
  seek(broker: string | undefined): void {
    this.sought = broker;
    this.tried.clear();
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
    if (next) this.tried.add(next.listen);
    return next ?? null;
  }

  /** First the address at which it was met before; brokers move, so the others too. */
  private next<A extends Address>(addresses: readonly A[]): A | undefined {
    const left = addresses.filter(({ listen }) => !this.tried.has(listen));
    return left.find(({ listen }) => this.names.get(listen) === this.sought) ?? left[0];
  }
}
