import { readFile, writeFile } from 'node:fs/promises';
import { TcpLink } from './tcp-link.js';
import type { BrokerRoutes } from './target.js';

/** Port 1 is reserved, and no program listens there. */
const NOWHERE = '127.0.0.1:1';
const ROUTES = /^( *)routes: \[(.*)\]$/m;
const CLUSTER_LISTEN = /cluster \{[^}]*?listen: "[^"]*:(\d+)"/;

/** A broker, and its configuration file. */
export interface ConfiguredBroker {
  readonly name: string;
  readonly configuration: string;
}

interface Pair {
  readonly names: readonly [string, string];
  readonly link: TcpLink;
}

/**
 * The routes between brokers, led through proxies of ours: a link for each pair, with a listener for each direction.
 *
 *   nats-1 ──▶ proxy ──▶ nats-2        nats-2 ──▶ proxy ──▶ nats-1        and so on
 *
 * Brokers also tell each other their addresses. Each is made to send an address without a listener, so that no route
 * finds its way past the proxies. Clients are not affected.
 */
export class ProxiedRoutes implements BrokerRoutes {
  private constructor(private readonly pairs: readonly Pair[]) {}

  /**
   * Writes the proxies into the configuration of each broker. They are used from its next start on.
   *
   * @throws when a configuration has no routes, or an unexpected shape
   */
  static async lead(brokers: readonly ConfiguredBroker[]): Promise<ProxiedRoutes> {
    const texts = new Map<string, string>();
    for (const { name, configuration } of brokers) texts.set(name, await readFile(configuration, 'utf8'));
    const urls = new Map([...texts].map(([name, text]) => [name, routeTo(name, text, [...texts.values()])]));
    const pairs: Pair[] = [];
    const own = new Map<string, string[]>(brokers.map(({ name }) => [name, []]));
    for (const [index, { name }] of brokers.entries()) {
      for (const { name: other } of brokers.slice(index + 1)) {
        const led = await TcpLink.start(`${name}-${other}`, [urls.get(other) ?? '', urls.get(name) ?? '']);
        pairs.push({ names: [name, other], link: led.link });
        own.get(name)?.push(led.urls[0] ?? '');
        own.get(other)?.push(led.urls[1] ?? '');
      }
    }
    for (const { name, configuration } of brokers) {
      const list = (own.get(name) ?? []).map((url) => JSON.stringify(url)).join(', ');
      const lines = `$1routes: [${list}]\n$1advertise: "${NOWHERE}"`;
      await writeFile(configuration, (texts.get(name) ?? '').replace(ROUTES, lines));
    }
    return new ProxiedRoutes(pairs);
  }

  isolate(name: string, how: 'reset' | 'silence'): void {
    for (const { names, link } of this.pairs) {
      if (!names.includes(name)) continue;
      if (how === 'reset') link.cut();
      else link.blackHole();
    }
  }

  heal(): void {
    for (const { link } of this.pairs) link.heal();
  }

  /** Ends the proxies. The brokers that used them must have ended. */
  async close(): Promise<void> {
    await Promise.all(this.pairs.map(({ link }) => link.close()));
  }
}

/** The URL by which the others reach a broker, with its password if there is one. */
function routeTo(name: string, text: string, all: readonly string[]): string {
  const port = CLUSTER_LISTEN.exec(text)?.[1];
  const urls = all.flatMap((other) => JSON.parse(`[${ROUTES.exec(other)?.[2] ?? ''}]`) as string[]);
  const url = urls.find((one) => port !== undefined && new URL(one).port === port);
  if (url === undefined) throw new Error(`no broker has a route to ${name} in its configuration`);
  return url;
}
