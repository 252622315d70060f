/**
 * A TCP proxy that can separate its two sides. Silently, bytes stop but nothing is closed, like a network that goes
 * silent. Openly, every connection is broken, and so is each new one.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';

/** A running proxy on loopback. */
export class TcpProxy {
  private readonly pairs = new Set<{ readonly near: Socket; readonly far: Socket }>();
  private silent = false;
  private refusing = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private readonly onSent: (bytes: Buffer) => void,
  ) {}

  /** Starts a proxy to a port of this machine. @param onSent called with what clients send */
  static async start(
    targetPort: number,
    onSent: (bytes: Buffer) => void = () => undefined,
  ): Promise<TcpProxy> {
    const holder: { proxy?: TcpProxy } = {};
    const server = createServer((near) => holder.proxy?.join(near, targetPort));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    holder.proxy = new TcpProxy(server, address.port, onSent);
    return holder.proxy;
  }

  /** From now on no byte passes in either direction. New connections are accepted and left alone. */
  hang(): void {
    this.silent = true;
    for (const { near, far } of this.pairs) {
      near.pause();
      far.pause();
    }
  }

  /** From now on every connection is broken, also later ones. */
  refuse(): void {
    this.refusing = true;
    this.cut();
  }

  /** Ends the connections that hung; new ones pass. */
  heal(): void {
    this.silent = false;
    this.refusing = false;
    this.cut();
  }

  /** Breaks every connection. */
  cut(): void {
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
    this.pairs.clear();
  }

  /** Breaks every connection and accepts no more. */
  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(near: Socket, targetPort: number): void {
    if (this.refusing) {
      near.destroy();
      return;
    }
    const far = connect(targetPort, '127.0.0.1');
    const pair = { near, far };
    this.pairs.add(pair);
    const end = (): void => {
      near.destroy();
      far.destroy();
      this.pairs.delete(pair);
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    near.on('data', (bytes) => {
      this.onSent(bytes);
      far.write(bytes);
    });
    far.on('data', (bytes) => near.write(bytes));
    if (this.silent) {
      near.pause();
      far.pause();
    }
  }
}
