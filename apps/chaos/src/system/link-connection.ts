import { connect, type Socket } from 'node:net';

const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;

/** The destination of a listener. */
export interface LinkTarget {
  readonly host: string;
  readonly port: number;
}

/**
 * One connection through a proxy: two sockets, and a pipe for each direction.
 *
 * Order is kept and nothing is lost while it is open: what one side sent before it ended arrives before the end. A side
 * that fails takes the other with it, unless the connection was frozen. Then neither notices the other's end.
 */
export class LinkConnection {
  private readonly far: Socket;
  private readonly pipes: readonly Pipe[];
  private frozen = false;

  /** @param delayMs asked for each chunk; @param onClosed called once, when both sides are gone */
  constructor(
    private readonly near: Socket,
    target: LinkTarget,
    delayMs: () => number,
    onClosed: () => void,
  ) {
    this.far = connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    this.pipes = [new Pipe(near, this.far, delayMs), new Pipe(this.far, near, delayMs)];
    this.follow(near, this.far, onClosed);
    this.follow(this.far, near, onClosed);
  }

  /** No byte passes from now on, and nothing is closed. */
  freeze(): void {
    this.frozen = true;
    for (const pipe of this.pipes) pipe.stop();
  }

  /** Freezes it and resets one side; the other does not notice. */
  abandon(side: 'near' | 'far'): void {
    this.freeze();
    this[side].resetAndDestroy();
  }

  /** Resets both sides. */
  reset(): void {
    this.freeze();
    for (const socket of [this.near, this.far]) {
      // A socket that is still connecting has nothing to reset yet.
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  private follow(one: Socket, other: Socket, onClosed: () => void): void {
    let failed = false;
    one.on('error', () => {
      failed = true;
    });
    one.on('close', () => {
      if (other.destroyed) onClosed();
      else if (failed && !this.frozen) this.reset();
    });
  }
}

/** One direction. Chunks leave when they are due, in the order in which they came. */
class Pipe {
  private readonly queue: { readonly dueAt: number; readonly chunk: Buffer | undefined }[] = [];
  private queuedBytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly delayMs: () => number,
  ) {
    from.on('data', (chunk: Buffer) => this.take(chunk));
    from.on('end', () => this.take(undefined));
    to.on('drain', () => this.flow());
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.queue.length = 0;
    this.from.pause();
  }

  private take(chunk: Buffer | undefined): void {
    if (this.stopped) return;
    this.queue.push({ dueAt: performance.now() + this.delayMs(), chunk });
    this.queuedBytes += chunk?.length ?? 0;
    this.flow();
  }

  private flow(): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    for (;;) {
      const head = this.queue[0];
      const waitMs = head === undefined ? 0 : head.dueAt - performance.now();
      if (head === undefined) break;
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.flow(), Math.ceil(waitMs));
        break;
      }
      this.queue.shift();
      this.queuedBytes -= head.chunk?.length ?? 0;
      if (head.chunk === undefined) this.to.end();
      else if (this.to.writable) this.to.write(head.chunk);
    }
    const isFull = this.queuedBytes + this.to.writableLength > BACKLOG_BYTES_MAX;
    if (isFull !== this.from.isPaused()) this.from[isFull ? 'pause' : 'resume']();
  }
}
