import { problem, ProblemError } from '../problems/problem-error.js';

/** The bounds of the room. */
export interface PageRoomBounds {
  /** Bytes of all pages. While a page is built, it takes about five times its bytes of memory. */
  readonly bytesMax: number;
  /** Bytes of one page. */
  readonly pageBytesMax: number;
  /** Below this many bytes, a page is not cut for lack of room. One event may be larger. */
  readonly pageBytesMin: number;
  /** Bytes of one reader. */
  readonly readerBytesMax: number;
  readonly waitMsMax: number;
  /** Pages that wait, of all readers. */
  readonly waitingMax: number;
  /** Pages that wait, of one reader. */
  readonly readerWaitingMax: number;
}

/** The default bounds. */
export const PAGE_ROOM: PageRoomBounds = {
  bytesMax: 25_165_824,
  pageBytesMax: 8_388_608,
  pageBytesMin: 524_288,
  readerBytesMax: 16_777_216,
  waitMsMax: 5_000,
  waitingMax: 200,
  readerWaitingMax: 50,
};

/** Bounds of work that is counted in pieces, and not in bytes: each has a share of one. */
export const AT_A_TIME: PageRoomBounds = {
  bytesMax: 4,
  pageBytesMax: 1,
  pageBytesMin: 1,
  readerBytesMax: 2,
  waitMsMax: 5_000,
  waitingMax: 100,
  readerWaitingMax: 25,
};

interface Waiting {
  readonly reader: string;
  readonly requested: number;
  readonly admit: (share: PageShare) => void;
}

/** The share of one page. */
export class PageShare {
  constructor(
    /** Bytes that the page may have. */
    private own: number,
    private readonly giveBack: (bytes: number) => void,
  ) {}

  /** Bytes that the page may have, or has. */
  get bytes(): number {
    return this.own;
  }

  /** Keeps the actual size of the page, and returns the rest. */
  shrinkTo(bytes: number): void {
    const rest = this.own - bytes;
    this.own = bytes;
    this.giveBack(rest);
  }

  /** Returns all of it. A second call does nothing. */
  release(): void {
    this.shrinkTo(0);
  }
}

/**
 * Bounds the bytes of all pages that are being read or sent.
 *
 *   take ─▶ read from the database ─▶ shrinkTo what was read ─▶ sent, or cut off ─▶ release
 *
 * A page takes its room before it is read, so that no number of readers can fill the memory. With less room than it
 * requests, the page is cut smaller. With nearly none it waits for a while, and is then refused. One reader gets only a
 * part of the room, and of the places to wait, so a slow reader delays no other.
 */
export class PageRoom {
  private taken = 0;
  private readonly takenBy = new Map<string, number>();
  private readonly waiting = new Set<Waiting>();

  constructor(private readonly bounds: PageRoomBounds = PAGE_ROOM) {}

  /**
   * Takes room for a page.
   *
   * @param reader a key, or an address where there is none
   * @param requested bytes that the page can have at most
   * @throws ProblemError 503 with `Retry-After` when there is no room in time, or too many pages wait for it
   */
  async take(reader: string, requested: number): Promise<PageShare> {
    const now = this.waiting.size === 0 ? this.takeNow(reader, requested) : undefined;
    if (now !== undefined) return now;
    const own = [...this.waiting].filter((page) => page.reader === reader).length;
    if (this.waiting.size >= this.bounds.waitingMax || own >= this.bounds.readerWaitingMax) throw noRoom();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(waiting);
        reject(noRoom());
      }, this.bounds.waitMsMax);
      const admit = (share: PageShare): void => {
        clearTimeout(timer);
        this.waiting.delete(waiting);
        resolve(share);
      };
      const waiting = { reader, requested, admit };
      this.waiting.add(waiting);
      this.admitWaiting();
    });
  }

  private takeNow(reader: string, requested: number): PageShare | undefined {
    const { bytesMax, readerBytesMax, pageBytesMax, pageBytesMin } = this.bounds;
    const held = this.takenBy.get(reader) ?? 0;
    const free = Math.min(bytesMax - this.taken, readerBytesMax - held);
    const least = Math.min(requested, pageBytesMin);
    // It takes at most half of the free room, so that the next page finds some, too.
    const bytes = Math.min(requested, pageBytesMax, Math.max(least, Math.floor(free / 2)));
    if (bytes > free) return undefined;
    this.change(reader, bytes);
    return new PageShare(bytes, (given) => {
      this.change(reader, -given);
      this.admitWaiting();
    });
  }

  private change(reader: string, bytes: number): void {
    this.taken += bytes;
    const held = (this.takenBy.get(reader) ?? 0) + bytes;
    if (held === 0) this.takenBy.delete(reader);
    else this.takenBy.set(reader, held);
  }

  /** Admits pages in the order of their arrival. A page whose reader has no room is passed over. */
  private admitWaiting(): void {
    for (const { reader, requested, admit } of this.waiting) {
      const share = this.takeNow(reader, requested);
      if (share !== undefined) admit(share);
    }
  }
}

function noRoom(): ProblemError {
  const detail = 'Too many such requests are being answered. Try again, or ask for less.';
  return new ProblemError(problem('busy', 503, detail), { 'retry-after': '1' });
}
