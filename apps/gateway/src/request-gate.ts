/**
 * Lets requests in until the gateway stops, and knows when the last one has been answered.
 *
 *   open ─close()─▶ closing (new requests: 503, Connection: close) ─last answer─▶ idle
 */
import type { FastifyInstance } from 'fastify';
import { problem } from './problems/problem-error.js';
import { sendProblem } from './problems/problem.filter.js';

/** See the head of this file. */
export class RequestGate {
  private open = true;
  private unanswered = 0;
  private whenIdle: (() => void) | undefined;

  /** Whether the gate was closed. */
  get isClosing(): boolean {
    return !this.open;
  }

  /** Puts the gate before every route of a server. */
  guard(server: FastifyInstance): void {
    server.addHook('onRequest', (request, reply, next) => {
      if (!this.open) {
        const stopping = problem('stopping', 503, 'Send it again, to another gateway if there is one.');
        sendProblem(reply, stopping, { 'retry-after': '1', connection: 'close' }, request.url);
        return;
      }
      this.unanswered += 1;
      reply.raw.once('close', () => this.answered());
      next();
    });
    server.addHook('onSend', (_request, reply, _payload, next) => {
      // A connection kept alive would keep the server open.
      if (!this.open) reply.header('connection', 'close');
      next();
    });
  }

  /** Lets nobody in any more; resolves when the last answer has left. */
  async close(): Promise<void> {
    this.open = false;
    if (this.unanswered === 0) return;
    await new Promise<void>((resolve) => (this.whenIdle = resolve));
  }

  private answered(): void {
    this.unanswered -= 1;
    if (this.unanswered === 0) this.whenIdle?.();
  }
}
