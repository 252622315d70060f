/**
 * Bounds the bytes of request bodies, and of the answers about them, by client and in all.
 *
 * A body takes room for the bytes that have arrived, not for the announced ones. So a client that announces much and
 * sends nothing costs the others no room. A small body is always admitted, because the number of connections bounds
 * those. One client (a key, else an address) has only a part of the room, so that it cannot take it from the others.
 *
 * The worst case of a gateway with the default settings, in MiB; a container of 512 has room for it:
 *
 *   the program itself, its code and its connections to brokers and database              110
 *   1,000 connections: 24 KiB of a head each (server-options.ts)                           24
 *   a small body on each of them, 64 KiB                                                   64
 *   large bodies and answers, here                                                         24, and as much while a buffer grows
 *   one large body that is being read: its text, two bytes per character, and its events   64
 *   events that wait for the brokers: 16 million characters (gateway.ts), text and bytes   80
 *                                                                                         ───
 *                                                                                         390
 */

/** Bytes of a body that takes no room. */
export const SMALL_BYTES_MAX = 65_536;
/** Bytes of all larger bodies of one client, at most. A single one may be larger. */
const OWNER_BYTES_MAX = 12_582_912;
/** Bytes of all larger bodies, at most. A single one may be larger. */
const HELD_BYTES_MAX = 25_165_824;

/** Room for the bodies of one server. */
export class BodyRoom {
  private held = 0;
  /** The bytes of each client that holds any. */
  private readonly owners = new Map<string, number>();
  private readonly waiting: (() => void)[] = [];

  /** Whether a body of this many bytes would find room now. */
  hasRoomFor(bytes: number, owner: string): boolean {
    return bytes <= SMALL_BYTES_MAX || this.fits(bytes, 0, owner);
  }

  /** A share for one body, which is empty so far. @param owner the client */
  share(owner: string): RoomShare {
    return new RoomShare((more, own) => {
      if (more > 0 && !this.fits(more, own, owner)) return false;
      this.held += more;
      const left = (this.owners.get(owner) ?? 0) + more;
      if (left > 0) this.owners.set(owner, left);
      else this.owners.delete(owner);
      if (more < 0) for (const wake of this.waiting.splice(0)) wake();
      return true;
    });
  }

  /** Resolves when some room is released. */
  async whenReleased(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private fits(more: number, own: number, owner: string): boolean {
    const ownerHeld = this.owners.get(owner) ?? 0;
    return (
      (ownerHeld === own || ownerHeld + more <= OWNER_BYTES_MAX) &&
      (this.held === own || this.held + more <= HELD_BYTES_MAX)
    );
  }
}

/** The share of one body. */
export class RoomShare {
  private own = 0;

  /** @param take takes more bytes, or returns a negative number of them; says whether there was room */
  constructor(private readonly take: (more: number, own: number) => boolean) {}

  /** Whether it takes room from others. */
  get isLarge(): boolean {
    return this.own > 0;
  }

  /** Grows to a number of bytes. @returns whether there was room; if not, nothing has changed */
  growTo(bytes: number): boolean {
    if (bytes <= SMALL_BYTES_MAX || bytes <= this.own) return true;
    if (!this.take(bytes - this.own, this.own)) return false;
    this.own = bytes;
    return true;
  }

  /** Shrinks to a number of bytes. Nothing happens when it has no more than that. */
  shrinkTo(bytes: number): void {
    if (bytes >= this.own) return;
    this.take(bytes - this.own, this.own);
    this.own = bytes;
  }
}
