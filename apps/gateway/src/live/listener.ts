import { Readable } from 'node:stream';
import type { EventFilter, EventPosition } from '#store';

/** A listener that has more than this many bytes to read is cut off. */
const HELD_BYTES_MAX = 1_048_576;
/** One that catches up gets its next page when it has read all but this many bytes. */
const READY_BYTES_MAX = 65_536;
/** How long a client may take to read everything that it has got, in milliseconds. */
const TAKEN_MS_MAX = 30_000;

/** What a listener follows. */
export interface Following {
  readonly filter: EventFilter;
  readonly from: EventPosition;
  /** The key, or the address where there is none. */
  readonly reader: string;
}

/**
 * A client that follows events, as server-sent events (WHATWG HTML, section 9.2).
 *
 * It is never waited for. What is written stays in memory until the client reads it, and a client that leaves too much,
 * or does not catch up for too long, is cut off. It comes back with `Last-Event-ID`, and has missed nothing.
 */
export class Listener {
  readonly stream = new Readable({ read: () => undefined });
  readonly filter: EventFilter;
  readonly reader: string;
  /** Where it goes on. It lags behind while the listener is part of a group. */
  position: EventPosition;
  /** When something was last written to it, by `performance.now()`. */
  writtenMs = performance.now();
  private emptyMs = performance.now();

  /** @param group the name of its filter */
  constructor(
    { filter, from, reader }: Following,
    readonly group: string,
  ) {
    this.filter = filter;
    this.position = from;
    this.reader = reader;
  }

  /** Whether it is still there. */
  get isOpen(): boolean {
    return !this.stream.destroyed && !this.stream.readableEnded;
  }

  /** Whether it has read nearly everything, so that a page may follow. */
  get isReady(): boolean {
    return this.stream.readableLength <= READY_BYTES_MAX;
  }

  /** Writes to it, or cuts it off. */
  write(bytes: Buffer): void {
    if (!this.isOpen) return;
    const nowMs = performance.now();
    if (this.stream.readableLength === 0) this.emptyMs = nowMs;
    const isSlow = this.stream.readableLength > HELD_BYTES_MAX || nowMs - this.emptyMs > TAKEN_MS_MAX;
    if (isSlow) {
      this.stream.destroy();
      return;
    }
    this.writtenMs = nowMs;
    this.stream.push(bytes);
  }

  /** Ends it. The client may come back. */
  end(): void {
    if (this.isOpen) this.stream.push(null);
  }
}
