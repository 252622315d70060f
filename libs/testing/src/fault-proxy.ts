/**
 * An HTTP proxy that answers some requests with a fault, as networks and load balancers do.
 *
 * Designs: a proxy of bytes cannot tell where a request ends, so it cannot lose exactly one answer. Faults inside the
 * gateway would not be between it and its client. So this one speaks HTTP: each request is read, and meets the next
 * fault of a queue. When the queue is empty, requests pass. Bodies and headers pass unchanged, while they arrive.
 */
import {
  Agent,
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { once } from 'node:events';
import { atTheEnd } from './clean-up.js';

/**
 * What one request meets.
 *
 *   pass     nothing
 *   answer   this answer; the program behind does not see the request
 *   reset    the connection is reset after the request was read; the program behind does not see it
 *   lose     the program behind answers it completely, and the connection is reset instead of that answer
 *   hold     the program behind answers it completely, and the client gets nothing until it gives up
 */
export type HttpFault =
  | 'pass'
  | 'reset'
  | 'lose'
  | 'hold'
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    };

/** A request that the proxy has seen. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly fault: HttpFault;
  /** The status with which the program behind answered; `undefined` when it has not. */
  status?: number;
}

/** Options of a proxy. */
export interface FaultProxyOptions {
  /** What the first requests meet, in the order of their arrival. More may be pushed to `faults` later. */
  readonly faults?: readonly HttpFault[];
  /** The requests that meet faults; all of them when left out. Others pass. */
  readonly path?: RegExp;
}

/** A running proxy on loopback. It ends after the last test of the file. */
export class FaultProxy {
  /** What the next requests meet. */
  readonly faults: HttpFault[];
  /** The requests so far, in the order of their arrival. */
  readonly seen: SeenRequest[] = [];
  private readonly agent = new Agent({ keepAlive: true });

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
    private readonly path: RegExp,
    faults: readonly HttpFault[],
  ) {
    this.faults = [...faults];
  }

  /** Starts a proxy. @param target the URL of the program behind it, for example of a gateway */
  static async start(
    target: string,
    { faults = [], path = /^/ }: FaultProxyOptions = {},
  ): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(server, new URL(target), path, faults);
    server.on('request', (from: IncomingMessage, to: ServerResponse) => {
      proxy.meet(from, to);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    atTheEnd(async () => proxy.stop());
    return proxy;
  }

  /** Its own URL, for the client. */
  get url(): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Breaks every connection and accepts no more. A second call does nothing. */
  async stop(): Promise<void> {
    this.agent.destroy();
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private meet(from: IncomingMessage, to: ServerResponse): void {
    const { method = 'GET', url = '/' } = from;
    const fault = (this.path.test(url) ? this.faults.shift() : undefined) ?? 'pass';
    const seen: SeenRequest = { method, path: url, fault };
    this.seen.push(seen);
    from.on('error', () => undefined);
    if (fault !== 'reset' && typeof fault === 'string') {
      this.forward(from, to, seen);
      return;
    }
    // A client that is still sending would miss the answer.
    from.resume().once('end', () => {
      if (fault === 'reset') reset(to);
      else to.writeHead(fault.status, fault.headers).end(fault.body ?? '');
    });
  }

  private forward(from: IncomingMessage, to: ServerResponse, seen: SeenRequest): void {
    const { hostname, port } = this.target;
    const { method, path } = seen;
    const onward = request({ hostname, port, method, path, headers: from.rawHeaders, agent: this.agent });
    onward.on('error', () => {
      reset(to);
    });
    to.once('close', () => {
      if (seen.status === undefined) onward.destroy();
    });
    onward.on('response', (answer) => {
      answer.on('error', () => {
        reset(to);
      });
      answer.once('end', () => {
        seen.status = answer.statusCode ?? 0;
        if (seen.fault === 'lose') reset(to);
      });
      if (seen.fault !== 'pass') answer.resume();
      else answer.pipe(to.writeHead(answer.statusCode ?? 502, answer.rawHeaders));
    });
    from.pipe(onward);
  }
}

function reset(to: ServerResponse): void {
  to.socket?.resetAndDestroy();
}
