/**
 * A split between brokers: a proxy stands on every route, one for each direction in which a broker may dial another.
 *
 *   whole ─cutOff(name)─▶ `name` alone │ the others, who still see each other ─heal─▶ whole
 *
 * Clients are not touched: they reach every broker all the time, also the one that has lost the others.
 */
import { TcpProxy } from './tcp-proxy.js';

/** How a split looks to the brokers: nothing is said, or connections break and none is made again. */
export type SplitManner = 'silent' | 'open';

/** The proxies of one cluster. Give `routeVia` to `startBrokers`. */
export class BrokerSplit {
  private readonly routes = new Map<string, { readonly ends: readonly string[]; readonly proxy: TcpProxy }>();

  /** For `startBrokers`: the port at which `from` finds `to`. */
  readonly routeVia = async (from: string, to: string, routePort: number): Promise<number> => {
    const way = `${from} ${to}`;
    await this.routes.get(way)?.proxy.stop();
    const proxy = await TcpProxy.start(routePort);
    this.routes.set(way, { ends: [from, to], proxy });
    return proxy.port;
  };

  /** Parts one broker from all others. */
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

  /** Ends the proxies. */
  async stop(): Promise<void> {
    await Promise.all([...this.routes.values()].map(({ proxy }) => proxy.stop()));
  }
}
