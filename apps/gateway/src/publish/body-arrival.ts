import type { BodyPace } from './body-pace.js';
import { BodyBytes } from './body-bytes.js';
import { SMALL_BYTES_MAX, type RoomShare } from './body-room.js';
import { BodySource, tooLarge, type BodyListener } from './body-source.js';
import type { DecoderFactory } from './content-encoding.js';
import { busy, JsonBody } from './json-body.js';

/** Called once: with an error, or with a body or its refusal. */
export type Done = (error: Error | null, body?: unknown) => void;

/** Bytes of a decoder: its window, and a piece of what it returns. It counts as more than a small body. */
const DECODER_BYTES = SMALL_BYTES_MAX + 65_536;

/** One body that is arriving, as a whole. */
export class Arrival implements BodyListener {
  private bytes: BodyBytes | undefined;
  private readonly source: BodySource;
  /** A decoder takes room from its first byte on. */
  private readonly decoderBytes: number;

  constructor(
    payload: NodeJS.ReadableStream,
    private readonly decode: DecoderFactory | undefined,
    private readonly share: RoomShare,
    private readonly pace: BodyPace,
    private readonly bytesMax: number,
    private readonly done: Done,
  ) {
    this.source = new BodySource(payload, bytesMax, decode, this);
    this.decoderBytes = decode === undefined ? 0 : DECODER_BYTES;
  }

  /** @param isKept false discards it from its first byte on */
  begin(isKept: boolean): void {
    this.source.begin();
    if (isKept && this.growTo(0)) this.bytes = new BodyBytes();
    else this.discard();
  }

  take(chunk: Buffer): void {
    const { bytes } = this;
    if (bytes === undefined) return;
    const length = bytes.length + chunk.length;
    if (length > this.bytesMax) {
      this.source.stop();
      this.fail(tooLarge());
    } else if (this.growTo(length)) {
      bytes.add(chunk);
    } else {
      this.discard();
    }
  }

  end(): void {
    const { bytes, share } = this;
    this.pace.leave(this.source);
    this.bytes = undefined;
    // It is passed as a body, because an error would close the connection.
    if (bytes === undefined) {
      this.done(null, busy());
      return;
    }
    if (this.decode !== undefined) share.shrinkTo(bytes.length > SMALL_BYTES_MAX ? bytes.length : 0);
    this.done(null, new JsonBody(bytes.whole(), share));
  }

  /** The client has gone, or gets a refusal; in both cases the room is released. */
  fail(error: Error): void {
    this.pace.leave(this.source);
    this.bytes = undefined;
    this.share.shrinkTo(0);
    this.done(error);
  }

  private growTo(length: number): boolean {
    const hasRoom = this.share.growTo(length + this.decoderBytes);
    if (hasRoom && this.share.isLarge) this.pace.watch(this.source);
    return hasRoom;
  }

  private discard(): void {
    this.bytes = undefined;
    this.share.shrinkTo(0);
    this.pace.leave(this.source);
    this.source.discard();
  }
}
