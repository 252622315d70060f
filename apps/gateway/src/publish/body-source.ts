/**
 * Takes the bytes of one body from the connection, decodes them, and bounds what that may cost.
 *
 *   connection ─bytes on the wire─▶ decoder, if encoded ─▶ listener.take
 *        ▲                             │
 *        └──── pause, while either is full
 *
 * The chunks and the pace are those of the wire, because the client decides on them. Decoded bytes come in pieces of up
 * to 64 KiB. The decoder works only while the listener takes them, so a bomb costs no more than a piece at a time.
 */
import type { Readable } from 'node:stream';
import { errorCodes } from 'fastify';
import { problem, ProblemError } from '../problems/problem-error.js';
import type { PacedBody } from './body-pace.js';
import type { Decoder, DecoderFactory } from './content-encoding.js';

/**
 * Chunks of a body that may have any size; after that, they must have some bytes on average. Each costs 2 µs, so a
 * megabyte in chunks of one byte would occupy the gateway for two seconds.
 */
const TINY_CHUNKS_MAX = 1_000;
const CHUNK_BYTES_MIN = 16;

/** What receives a body. `end` or `fail` is called once, as the last. */
export interface BodyListener {
  /** Takes decoded bytes. */
  take(bytes: Buffer): void;
  /** The body is complete. */
  end(): void;
  /** The body cannot be read on. */
  fail(error: Error): void;
}

/** One body that is arriving. */
export class BodySource implements PacedBody {
  /** Bytes on the wire so far. */
  arrived = 0;
  private chunks = 0;
  private decoder: Decoder | undefined;
  private isDecoded = false;
  private hasArrived = false;
  private isDiscarded = false;
  private held = false;
  private done = false;

  /**
   * @param bytesMax bytes on the wire
   * @param decode creates the decoder, `undefined` for a body that is not encoded
   */
  constructor(
    private readonly payload: NodeJS.ReadableStream,
    private readonly bytesMax: number,
    private readonly decode: DecoderFactory | undefined,
    private readonly listener: BodyListener,
  ) {}

  /** Begins to read. */
  begin(): void {
    const { payload, onData, onEnd, onCut } = this;
    payload.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
    // The client may have gone before.
    if ((payload as Readable).destroyed) onCut();
  }

  /** Whether the listener takes nothing now, or the decoder does not. The client cannot send on then. */
  get isHeldUp(): boolean {
    return this.held || this.decoder?.writableNeedDrain === true;
  }

  /** Takes nothing more from the connection, until `resume`. */
  pause(): void {
    if (this.held || this.done) return;
    this.held = true;
    (this.decoder ?? this.payload).pause();
  }

  /** Continues after `pause`. */
  resume(): void {
    if (!this.held || this.done) return;
    this.held = false;
    this.decoder?.resume();
    if (this.decoder?.writableNeedDrain !== true) this.payload.resume();
  }

  /** Passes on nothing more. The body is still read to its end, or to its bounds. */
  discard(): void {
    if (this.isDiscarded) return;
    this.isDiscarded = true;
    this.held = false;
    this.dropDecoder();
    // When all of it has arrived, nothing else would end it.
    if (this.hasArrived) setImmediate(() => this.end());
    else this.payload.resume();
  }

  cutOff(): void {
    const detail =
      'The body arrives too slowly for the room it takes. What was published of it is safe to send again.';
    this.fail(new ProblemError(problem('too-slow', 408, detail), { connection: 'close' }));
  }

  /** Stops reading, without a call to the listener. A second call does nothing. */
  stop(): void {
    if (this.done) return;
    this.done = true;
    const { payload, onData, onEnd, onCut } = this;
    payload.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut);
    this.dropDecoder();
  }

  private end(): void {
    if (this.done) return;
    this.stop();
    this.listener.end();
  }

  private fail(error: Error): void {
    if (this.done) return;
    this.stop();
    this.listener.fail(error);
  }

  private readonly onData = (chunk: Buffer): void => {
    this.arrived += chunk.length;
    this.chunks += 1;
    if (this.arrived > this.bytesMax) this.fail(tooLarge());
    else if (this.chunks > TINY_CHUNKS_MAX && this.arrived < this.chunks * CHUNK_BYTES_MIN)
      this.fail(tinyChunks());
    else if (this.isDiscarded) return;
    else if (this.decode === undefined) this.listener.take(chunk);
    else this.feed(chunk, this.decode);
  };

  private feed(chunk: Buffer, decode: DecoderFactory): void {
    if (this.decoder === undefined && !this.isDecoded) this.open(decode(chunk[0] ?? 0));
    const { decoder } = this;
    // What follows an encoded body is found at its end, by the number of bytes.
    if (decoder === undefined || this.isDecoded) return;
    if (!decoder.write(chunk)) this.payload.pause();
  }

  private open(decoder: Decoder): void {
    this.decoder = decoder;
    decoder
      .on('data', (bytes: Buffer) => {
        if (!this.done && !this.isDiscarded) this.listener.take(bytes);
      })
      .on('drain', () => this.payload.resume())
      .on('end', () => {
        this.isDecoded = true;
        this.payload.resume();
        if (this.hasArrived) this.endDecoded(decoder);
      })
      .on('error', () => {
        if (!this.isDiscarded) this.fail(undecodable());
      });
  }

  private readonly onEnd = (): void => {
    this.hasArrived = true;
    const { decoder } = this;
    if (this.isDiscarded || decoder === undefined) this.end();
    else if (this.isDecoded) this.endDecoded(decoder);
    else decoder.end();
  };

  private endDecoded(decoder: Decoder): void {
    if (decoder.bytesWritten === this.arrived) this.end();
    else this.fail(undecodable());
  }

  private readonly onCut = (): void => {
    // A connection may close behind a body that is still being decoded.
    if (!this.hasArrived) this.fail(new errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH());
  };

  private dropDecoder(): void {
    // An error of a decoder that was dropped concerns no one.
    this.decoder
      ?.removeAllListeners()
      .on('error', () => undefined)
      .destroy();
    this.decoder = undefined;
  }
}

/** The refusal of a body that is larger than one may be. */
export function tooLarge(): Error {
  return new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
}

function undecodable(): ProblemError {
  const detail = 'The body does not have the encoding that its Content-Encoding names, or it ends too early.';
  return new ProblemError(problem('malformed-request', 400, detail), { connection: 'close' });
}

function tinyChunks(): ProblemError {
  const detail = `The body arrives in chunks of fewer than ${CHUNK_BYTES_MIN} bytes; nothing more of it was read. Send larger ones, or a Content-Length.`;
  return new ProblemError(problem('tiny-chunks', 400, detail), { connection: 'close' });
}
