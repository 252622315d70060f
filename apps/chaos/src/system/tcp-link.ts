import { createServer, type Server, type Socket } from 'node:net';
import { LinkConnection, type LinkTarget } from './link-connection.js';
import type { Link } from './target.js';

const PROTOCOL_PORTS: Readonly<Record<string, number>> = { 'nats:': 4222, 'tls:': 4222, 'postgres:': 5432 };
const POSTGRES_PORT = 5_432;

/**
 * A link that leads through proxies of ours, with a listener on loopback for each of its addresses.
 *
 *   open ─delay─▶ slow ─┐      connections stay
 *     ├──cut──▶ closed ─┤      all are reset, new ones too as soon as they are accepted
 *     ├─blackHole▶ mute ┼─heal▶ open   (what was frozen is reset)
 *     └─halfOpen─▶ open ┘      each loses one side, alternately the near and the far one; new ones pass
 *
 * While the link is cut, the port stays open, because another program could take a closed one before the healing. The
 * proxies are part of the judge's process and end with it.
 */
export class TcpLink implements Link {
  private readonly servers: Server[] = [];
  private readonly passing = new Set<LinkConnection>();
  private readonly frozen = new Set<LinkConnection>();
  /** Connections that were accepted while mute; they lead nowhere. */
  private readonly stranded = new Set<Socket>();
  private state: 'open' | 'closed' | 'mute' = 'open';
  private delayMs = 0;

  private constructor(readonly name: string) {}

  /** Starts a listener for each URL. `urls` has the same URLs with the addresses of the listeners. */
  static async start(name: string, urls: readonly string[]): Promise<{ link: TcpLink; urls: string[] }> {
    const link = new TcpLink(name);
    const through = await Promise.all(
      urls.map(async (text) => {
        const url = new URL(text);
        const port = Number(url.port) || (PROTOCOL_PORTS[url.protocol] ?? POSTGRES_PORT);
        const own = await link.listen({ host: url.hostname, port });
        // This does not use `new URL`, which does not accept a port for unknown schemes in every version of Node.
        return text.replace(url.host, `127.0.0.1:${own}`);
      }),
    );
    return { link, urls: through };
  }

  delay(delayMs: number): void {
    this.heal();
    this.delayMs = delayMs;
  }

  cut(): void {
    this.heal();
    this.state = 'closed';
    for (const connection of [...this.passing]) connection.reset();
    this.passing.clear();
  }

  blackHole(): void {
    this.heal();
    this.state = 'mute';
    for (const connection of this.passing) {
      connection.freeze();
      this.frozen.add(connection);
    }
    this.passing.clear();
  }

  halfOpen(): void {
    this.heal();
    let side: 'near' | 'far' = 'far';
    for (const connection of [...this.passing]) {
      connection.abandon(side);
      this.frozen.add(connection);
      side = side === 'far' ? 'near' : 'far';
    }
    this.passing.clear();
  }

  heal(): void {
    this.state = 'open';
    this.delayMs = 0;
    for (const connection of [...this.frozen]) connection.reset();
    for (const socket of [...this.stranded]) socket.resetAndDestroy();
    this.frozen.clear();
    this.stranded.clear();
  }

  /** Resets every connection and accepts no more. */
  async close(): Promise<void> {
    const closed = this.servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    this.cut();
    await Promise.all(closed);
  }

  private async listen(target: LinkTarget): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (near) => this.take(near, target));
    this.servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error(`${this.name} has no port`);
    return address.port;
  }

  private take(near: Socket, target: LinkTarget): void {
    near.on('error', () => undefined);
    if (this.state === 'closed') {
      near.resetAndDestroy();
    } else if (this.state === 'mute') {
      near.pause();
      this.stranded.add(near);
    } else {
      const connection: LinkConnection = new LinkConnection(
        near,
        target,
        () => this.delayMs,
        () => {
          this.passing.delete(connection);
          this.frozen.delete(connection);
        },
      );
      this.passing.add(connection);
    }
  }
}
