/**
 * How many bytes of request bodies are here at a time.
 *
 * A body takes room for what has arrived of it, not for what was announced, so that nobody is refused for the sake of a
 * client that announces much and sends nothing. A small one is let in whatever else is here.
 */

/** Bytes of a body that takes no room. */
const SMALL_BYTES_MAX = 65_536;
/** Bytes of all larger ones, at most; one by itself may be larger. */
const HELD_BYTES_MAX = 12_582_912;

/** Room for the bodies of one server. */
export class BodyRoom {
  private held = 0;

  /** Whether a body of so many bytes would find room now. */
  hasRoomFor(bytes: number): boolean {
    return bytes <= SMALL_BYTES_MAX || this.held === 0 || this.held + bytes <= HELD_BYTES_MAX;
  }

  /** Room for one body, none so far. */
  share(): RoomShare {
    return new RoomShare((more, own) => {
      if (more > 0 && this.held > own && this.held + more > HELD_BYTES_MAX) return false;
      this.held += more;
      return true;
    });
  }
}

/** The room of one body. */
export class RoomShare {
  private own = 0;

  /** @param take takes so many bytes more, or gives back as many as are negative; says whether it did */
  constructor(private readonly take: (more: number, own: number) => boolean) {}

  /** Whether it takes room from others. */
  get isLarge(): boolean {
    return this.own > 0;
  }

  /** Grows to so many bytes. @returns whether there was room; if not, nothing has changed */
  growTo(bytes: number): boolean {
    if (bytes <= SMALL_BYTES_MAX) return true;
    if (!this.take(bytes - this.own, this.own)) return false;
    this.own = bytes;
    return true;
  }

  /** Gives all of it back; again it does nothing. */
  giveBack(): void {
    this.take(-this.own, this.own);
    this.own = 0;
  }
}
