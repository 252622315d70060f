/**
 * A split between brokers: a proxy stands on every route, one for each direction in which a broker may dial another.
 *
 *   whole ─cutOff(name)─▶ `name` alone │ the others, who still see each other ─heal─▶ whole
 *
 * Clients are not affected. They reach every broker all the time, also the one that has lost the others.
 */
import { TcpProxy } from './tcp-proxy.js';

/** How a split appears to the brokers: bytes stop silently, or connections break and no new one succeeds. */
export type SplitManner = 'silent' | 'open';

/** The proxies of one cluster. Give `routeVia` to `startBrokers`. */
export class BrokerSplit {
  private readonly routes = new Map<string, { readonly ends: readonly string[]; readonly proxy: TcpProxy }>();

  /** For `startBrokers`: the port at which `from` reaches `to`. */
  readonly routeVia = async (from: string, to: string, routePort: number): Promise<number> => {
    const way = `${from} ${to}`;
    await this.routes.get(way)?.proxy.stop();
    const proxy = await TcpProxy.start(routePort);
    this.routes.set(way, { ends: [from, to], proxy });
    return proxy.port;
  };

  /** Separates one broker from all others. */
  cutOff(name: string, manner: SplitManner = 'silent'): void {
    for (const { ends, proxy } of this.routes.values()) {
      if (!ends.includes(name)) continue;
      if (manner === 'silent') proxy.hang();
      else proxy.refuse();
    }
  }

  /** Ends every split. The brokers dial each other again by themselves. */
  heal(): void {
    for (const { proxy } of this.routes.values()) proxy.heal();
  }

  /** Stops the proxies. */
  async stop(): Promise<void> {
    await Promise.all([...this.routes.values()].map(({ proxy }) => proxy.stop()));
  }
}
