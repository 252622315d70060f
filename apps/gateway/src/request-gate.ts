import type { FastifyInstance } from 'fastify';
import { clientOf } from './client-address.js';
import { problem } from './problems/problem-error.js';
import { sendProblem } from './problems/problem.filter.js';

const TOO_MANY = problem('busy', 503, 'Too many requests are under way. Send it again.');

/** How many requests are admitted at a time. */
export interface RequestBounds {
  readonly requestsMax: number;
  readonly perClientMax: number;
}

/**
 * Admits a bounded number of requests until the gateway stops, and knows when the last one has been answered.
 *
 *   open ─close()─▶ closing (new requests: 503, Connection: close) ─last answer─▶ idle
 *
 * One connection may send requests without waiting for answers, and a proxy may have many clients behind few
 * connections. So a bound on connections alone is not enough.
 */
export class RequestGate {
  private open = true;
  private unanswered = 0;
  private readonly clients = new Map<string, number>();
  private whenIdle: (() => void) | undefined;
  private readonly closed = new AbortController();

  constructor(private readonly bounds: RequestBounds) {}

  /** Whether the gate was closed. */
  get isClosing(): boolean {
    return !this.open;
  }

  /** Aborts when the gate is closed, so that no answer is held back any longer. */
  get closing(): AbortSignal {
    return this.closed.signal;
  }

  /** Installs the gate before every route of a server. */
  guard(server: FastifyInstance): void {
    server.addHook('onRequest', (request, reply, next) => {
      if (!this.open) {
        const stopping = problem('stopping', 503, 'Send it again, to another gateway if there is one.');
        sendProblem(reply, stopping, { 'retry-after': '1', connection: 'close' }, request.url);
        return;
      }
      const client = clientOf(request.ip);
      const ofClient = this.clients.get(client) ?? 0;
      const isFull = this.unanswered >= this.bounds.requestsMax || ofClient >= this.bounds.perClientMax;
      // A supervisor restarts a gateway that does not answer this. A full gateway still answers.
      if (isFull && request.url !== '/health/live') {
        sendProblem(reply, TOO_MANY, { 'retry-after': '1' }, request.url);
        return;
      }
      this.unanswered += 1;
      this.clients.set(client, ofClient + 1);
      reply.raw.once('close', () => this.answered(client));
      next();
    });
    server.addHook('onSend', (_request, reply, _payload, next) => {
      // A connection that is kept alive would keep the server open.
      if (!this.open) reply.header('connection', 'close');
      next();
    });
  }

  /** Admits no more requests, and resolves when the last answer has been sent. */
  async close(): Promise<void> {
    this.open = false;
    this.closed.abort();
    if (this.unanswered === 0) return;
    await new Promise<void>((resolve) => (this.whenIdle = resolve));
  }

  private answered(client: string): void {
    this.unanswered -= 1;
    const left = (this.clients.get(client) ?? 1) - 1;
    if (left > 0) this.clients.set(client, left);
    else this.clients.delete(client);
    if (this.unanswered === 0) this.whenIdle?.();
  }
}
