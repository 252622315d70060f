import { randomUUID } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import { addressTest, clientOf } from './client-address.js';
import { endWith } from './raw-answer.js';
import { problem } from './problems/problem-error.js';

/** The bounds, and the addresses that are not bounded. */
export interface ConnectionBounds {
  readonly connectionsMax: number;
  readonly perClientMax: number;
  /** Whether many clients share an address. */
  readonly isShared: (address: string | undefined) => boolean;
  /** Whether a refusal can be sent before TLS. */
  readonly isPlain: boolean;
  /** Called from time to time with the number of refusals since the last call. */
  readonly onRefused: (count: number) => void;
}

const REPORT_EVERY_MS = 10_000;
/**
 * These connections beyond the bound are for this machine. A container's health check must not fail because others fill
 * the gateway.
 */
const RESERVED = 16;
const isLoopback = addressTest('loopback');

/**
 * Bounds the number of connections: in all, and from one client.
 *
 *   connects ─room─▶ counted ─closes─▶ forgotten
 *      └─none─▶ 503 with Retry-After, closed at once (over TLS it is only closed)
 *
 * A connection costs memory before it has sent a whole head, and needs no key. Behind a trusted proxy, every connection
 * comes from the proxy's address, which says nothing about the client. There, only the total bound holds, and the
 * requests of each client are bounded instead (request-gate.ts).
 */
export class ConnectionBound {
  private count = 0;
  private readonly clients = new Map<string, number>();
  private refused = 0;
  private reportedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly bounds: ConnectionBounds) {}

  /** Runs before the server's other listeners for new connections. */
  guard(server: Server): void {
    const listeners = server.rawListeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (!this.admit(socket)) return;
      for (const listener of listeners) listener.call(server, socket);
    });
  }

  private admit(socket: Socket): boolean {
    const { connectionsMax, perClientMax, isShared } = this.bounds;
    const client = isShared(socket.remoteAddress) ? undefined : clientOf(socket.remoteAddress);
    const ofClient = client === undefined ? 0 : (this.clients.get(client) ?? 0);
    const reserved = isLoopback(socket.remoteAddress) ? RESERVED : 0;
    if (this.count >= connectionsMax + reserved || ofClient >= perClientMax) {
      this.refuse(socket);
      return false;
    }
    this.count += 1;
    if (client !== undefined) this.clients.set(client, ofClient + 1);
    socket.once('close', () => {
      this.count -= 1;
      if (client !== undefined) this.leave(client);
    });
    return true;
  }

  private leave(client: string): void {
    const left = (this.clients.get(client) ?? 1) - 1;
    if (left > 0) this.clients.set(client, left);
    else this.clients.delete(client);
  }

  private refuse(socket: Socket): void {
    this.refused += 1;
    const now = performance.now();
    if (now - this.reportedAt >= REPORT_EVERY_MS) {
      this.bounds.onRefused(this.refused);
      this.refused = 0;
      this.reportedAt = now;
    }
    socket.on('error', () => undefined);
    if (!this.bounds.isPlain) socket.destroy();
    else
      endWith(socket, problem('busy', 503, 'Too many connections. Try again.'), randomUUID(), {
        'Retry-After': '2',
      });
  }
}
