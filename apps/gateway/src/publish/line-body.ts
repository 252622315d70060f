/**
 * A body of pieces, such as lines, that is read while it arrives, however long it is.
 *
 *   source ─▶ splitter ─next()─▶ some pieces ─▶ the reader, which publishes them
 *      ▲          │
 *      └──pause───┘ while 256 KiB wait for the reader
 *
 * What it holds is bounded, so its length is not. A body above 64 KiB, and a compressed one, takes the same room for as
 * long as it lasts. It waits for room before it is read on. The client waits as well then, because nothing is taken from
 * its connection.
 *
 * A body above 64 KiB may take longer than other requests. In return it has to keep the minimum pace while it is read.
 */
import type { Socket } from 'node:net';
import { problem, ProblemError } from '../problems/problem-error.js';
import { allowLongRequest, endLongRequest } from '../long-requests.js';
import { valueOrTimeout } from '#waiting';
import type { BodyPace } from './body-pace.js';
import { SMALL_BYTES_MAX, type BodyRoom, type RoomShare } from './body-room.js';
import { BodySource, tooLarge, type BodyListener } from './body-source.js';
import type { DecoderFactory } from './content-encoding.js';
import { LineSplitter, type Line } from './line-splitter.js';

/** Bytes of complete pieces that wait for the reader, before no more are taken from the connection. */
const WAITING_BYTES_MAX = 262_144;
/** A piece in parts, pieces that wait or are being published, results and hashes of records. */
const ROOM_BYTES = 2_097_152;
const ANSWER_BYTES_INCLUDED = ROOM_BYTES / 2;
const ROOM_MS_MAX = 10_000;
/** Bytes that any compressed body may unpack to, and how many more for each of its own. Logs seldom reach 50. */
const UNPACKED_BYTES_MAX = 16_777_216;
const UNPACKED_PER_BYTE_MAX = 200;
/** How long the rest of a body that was refused is read. Its client is still sending, and would miss the answer. */
const REST_MS_MAX = 3_000;

/** What such a body shares with the other bodies of the server. */
export interface ArrivingBodyBounds {
  readonly room: BodyRoom;
  readonly owner: string;
  readonly pace: BodyPace;
  /** Bytes of one piece, at most. */
  readonly lineBytesMax: number;
}

/** Splits bytes into pieces. */
export interface Splitter<Piece> {
  /** Bytes of complete pieces that were not taken yet. */
  readonly heldBytes: number;
  /** Whether there are complete pieces, or an error that `take` throws. */
  readonly hasLines: boolean;
  /** Pieces that were taken, blank ones included. */
  readonly lines: number;
  /** Adds the next bytes. */
  add(chunk: Buffer): void;
  /** Called behind the last bytes. */
  end(): void;
  /** Takes the next pieces, at most as many; perhaps none. */
  take(linesMax: number): readonly Piece[];
}

/** The pieces of one request. */
export class ArrivingBody<Piece> implements BodyListener {
  private readonly source: BodySource;
  private readonly share: RoomShare;
  private received = 0;
  private hasBegun = false;
  private hasRoom = false;
  private isComplete = false;
  /** Whether nothing more comes from the connection. */
  private isOver = false;
  private failure: Error | undefined;
  private wake: (() => void) | undefined;

  constructor(
    payload: NodeJS.ReadableStream,
    private readonly socket: Socket,
    private readonly decode: DecoderFactory | undefined,
    private readonly bounds: ArrivingBodyBounds,
    private readonly splitter: Splitter<Piece>,
  ) {
    this.source = new BodySource(payload, Number.POSITIVE_INFINITY, decode, this);
    this.share = bounds.room.share(bounds.owner);
  }

  /** Whether it takes room from others. */
  get isLarge(): boolean {
    return this.share.isLarge;
  }

  /** Pieces so far, blank ones included. */
  get lines(): number {
    return this.splitter.lines;
  }

  /**
   * The next pieces, as soon as there are any.
   *
   * @returns at most `linesMax`, perhaps none; `undefined` at the end of the body
   * @throws ProblemError 503 when there is no room for it, and whatever ended the body early
   */
  async next(linesMax: number): Promise<readonly Piece[] | undefined> {
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      if (this.needsRoom()) await this.makeRoom();
      if (!this.hasBegun) this.begin();
      const lines = this.splitter.take(linesMax);
      if (this.splitter.heldBytes < WAITING_BYTES_MAX) this.source.resume();
      // Without pieces, the reader judges whether it goes on.
      if (lines.length > 0 || this.splitter.hasLines) return lines;
      if (this.isComplete) return undefined;
      await this.untilChanged();
    }
  }

  /**
   * Takes room for an answer that grows with the body, and keeps it until the body is closed.
   *
   * @param bytes of the answer so far. Up to a megabyte is included in the room of the body
   * @throws ProblemError 503 when there is no room for it
   */
  async makeRoomForAnswer(bytes: number): Promise<void> {
    if (bytes > ANSWER_BYTES_INCLUDED) await this.growTo(ROOM_BYTES + bytes);
  }

  /** Reads the rest of a body that was refused, for a bounded time. */
  async skipRest(): Promise<void> {
    if (this.isOver) return;
    if (!this.hasBegun) this.begin();
    this.source.discard();
    await valueOrTimeout(REST_MS_MAX, this.untilChanged());
  }

  /** Ends reading, and returns the room. A second call does nothing. */
  close(): void {
    this.source.stop();
    this.bounds.pace.leave(this.source);
    this.share.shrinkTo(0);
    endLongRequest(this.socket);
  }

  take(bytes: Buffer): void {
    this.received += bytes.length;
    if (this.isBomb()) {
      this.source.discard();
      this.failure = tooLarge();
      this.changed();
      return;
    }
    this.splitter.add(bytes);
    if (this.splitter.heldBytes >= WAITING_BYTES_MAX || this.needsRoom()) this.source.pause();
    this.changed();
  }

  end(): void {
    this.isOver = this.isComplete = true;
    this.splitter.end();
    this.bounds.pace.leave(this.source);
    this.changed();
  }

  fail(error: Error): void {
    this.isOver = true;
    this.failure ??= error;
    this.bounds.pace.leave(this.source);
    this.changed();
  }

  private begin(): void {
    this.hasBegun = true;
    this.source.begin();
  }

  /** Its memory is bounded anyway. But each line costs time, and a megabyte must not cost that of a gigabyte. */
  private isBomb(): boolean {
    const bytesMax = UNPACKED_BYTES_MAX + UNPACKED_PER_BYTE_MAX * this.source.arrived;
    return this.decode !== undefined && this.received > bytesMax;
  }

  private needsRoom(): boolean {
    return !this.hasRoom && (this.decode !== undefined || this.received > SMALL_BYTES_MAX);
  }

  private async makeRoom(): Promise<void> {
    await this.growTo(ROOM_BYTES);
    this.hasRoom = true;
    allowLongRequest(this.socket);
    this.bounds.pace.watch(this.source);
  }

  private async growTo(bytes: number): Promise<void> {
    const until = performance.now() + ROOM_MS_MAX;
    while (!this.share.growTo(bytes)) {
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw noRoom();
      await valueOrTimeout(leftMs, this.bounds.room.whenReleased());
      if (this.failure !== undefined) throw this.failure;
    }
  }

  private async untilChanged(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }

  private changed(): void {
    this.wake?.();
    this.wake = undefined;
  }
}

/** The lines of one request. */
export class LineBody extends ArrivingBody<Line> {
  constructor(
    payload: NodeJS.ReadableStream,
    socket: Socket,
    decode: DecoderFactory | undefined,
    bounds: ArrivingBodyBounds,
  ) {
    super(payload, socket, decode, bounds, new LineSplitter(bounds.lineBytesMax));
  }
}

function noRoom(): ProblemError {
  const detail = 'Too many large requests wait here; this one was not read on. Send it again.';
  return new ProblemError(problem('busy', 503, detail), { 'retry-after': '1' });
}
