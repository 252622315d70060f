/**
 * Receives request bodies unchanged. The server does not parse JSON, because its text is needed.
 *
 *   arriving ─last byte─▶ JsonBody ─release()─▶ read ─answered─▶ gone
 *      ├─no room─▶ the rest is discarded ─last byte─▶ 503
 *      ├─too slow─▶ 408, and the connection is closed
 *      └─in tiny chunks─▶ 400, and the connection is closed
 *
 * A large body takes room (body-room.ts) from its first bytes on. Otherwise many at the same moment could exceed any
 * bound. A refused body is still read to its end: a client that is still sending when the connection closes never sees
 * the answer.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendContinue } from '../expectations.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { BodyBytes } from './body-bytes.js';
import { BodyPace } from './body-pace.js';
import { BodyRoom, SMALL_BYTES_MAX, type RoomShare } from './body-room.js';
import { BodySource, tooLarge, type BodyListener } from './body-source.js';
import { decoderOf, type DecoderFactory } from './content-encoding.js';

type Done = (error: Error | null, body?: unknown) => void;

/** A request with up to this many events has a short answer, whatever its content. */
const SHORT_ANSWER_EVENTS_MAX = 100;
/** Bytes of an answer about one event, without the names that it repeats. */
const ANSWER_BYTES_PER_EVENT = 256;
/** Bytes of the names of one event, at most. */
const NAME_BYTES_PER_EVENT = 2_048;
/** How long a client may take to read an answer that takes room. */
const ANSWER_MS_MAX = 30_000;

/** Bytes of a decoder: its window, and a piece of what it returns. It counts as more than a small body. */
const DECODER_BYTES = SMALL_BYTES_MAX + 65_536;

/** The body of a request, with the room that it and its answer take. */
export class JsonBody {
  /** Bytes stay outside the heap. As text, waiting bodies would be in the heap, whose bound is tighter. */
  private bytes: Buffer | undefined;
  private readonly length: number;
  private answerBytes = 0;

  constructor(
    bytes: Buffer,
    private readonly share: Pick<RoomShare, 'isLarge' | 'growTo' | 'shrinkTo'>,
  ) {
    this.bytes = bytes;
    this.length = bytes.length;
  }

  /** Whether it takes room from others. */
  get isLarge(): boolean {
    return this.share.isLarge;
  }

  /** Decodes the text. Throws a 400 when it is not UTF-8, and when it was released. */
  decode(): string {
    if (this.bytes === undefined) throw new Error('The body was released.');
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(this.bytes);
    } catch {
      throw new ProblemError(problem('malformed-json', 400, 'The body is not UTF-8.'));
    }
  }

  /** Takes room for the answer about a number of events. Throws a 503 when there is none. */
  makeRoomForAnswer(events: number): void {
    if (events <= SHORT_ANSWER_EVENTS_MAX) return;
    const names = Math.min(this.length, events * NAME_BYTES_PER_EVENT);
    this.answerBytes = events * ANSWER_BYTES_PER_EVENT + names;
    if (!this.share.growTo(this.length + this.answerBytes)) throw busy();
  }

  /** Releases the body and its room, except the room of the answer. A second call does nothing. */
  release(): void {
    this.bytes = undefined;
    this.share.shrinkTo(this.answerBytes);
  }

  /** Returns the rest of the room when the answer has been sent. */
  close(): void {
    this.bytes = undefined;
    this.share.shrinkTo(0);
  }
}

/** Receives the bodies of one server. */
export class JsonBodies {
  private readonly room = new BodyRoom();
  private readonly pace: BodyPace;

  /**
   * @param bytesMax of one body
   * @param bytesPerSecondMin a large body that arrives more slowly is cut off
   * @param ownerOf the client whose room a request takes
   */
  constructor(
    private readonly bytesMax: number,
    bytesPerSecondMin: number,
    private readonly ownerOf: (request: FastifyRequest) => string,
  ) {
    this.pace = new BodyPace(bytesPerSecondMin);
  }

  /** Makes the server pass JSON bodies on as `JsonBody`. Any other type is refused with 415. */
  serve(server: FastifyInstance): void {
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('application/json', (request, payload, done: Done) => {
      this.receive(request, payload, done);
    });
    server.addHook('onSend', (request, reply, _payload, next) => {
      if (request.body instanceof JsonBody && request.body.isLarge) boundAnswer(reply);
      next();
    });
    // Whatever became of the request, its room is released.
    server.addHook('onResponse', (request, _reply, next) => {
      if (request.body instanceof JsonBody) request.body.close();
      next();
    });
  }

  private receive(request: FastifyRequest, payload: NodeJS.ReadableStream, done: Done): void {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > this.bytesMax) {
      done(tooLarge());
      return;
    }
    let decode: DecoderFactory | undefined;
    try {
      decode = decoderOf(request.headers['content-encoding']);
    } catch (error) {
      done(error as ProblemError);
      return;
    }
    if (request.is404) {
      done(null);
      return;
    }
    const owner = this.ownerOf(request);
    const hasRoom = this.room.hasRoomFor(announced, owner);
    if (!sendContinue(request.raw, hasRoom)) {
      done(null, busy());
      return;
    }
    new Arrival(payload, decode, this.room.share(owner), this.pace, this.bytesMax, done).begin(hasRoom);
  }
}

/** One body that is arriving, as a whole. */
class Arrival implements BodyListener {
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

/** The body of a request. Throws a 415 when it has none, a 503 when there was no room for it. */
export function jsonBodyOf(body: unknown): JsonBody {
  if (body instanceof JsonBody) return body;
  if (body instanceof ProblemError) throw body;
  // The server does not read a body without a type.
  throw new ProblemError(
    problem(
      'unsupported-type',
      415,
      'Send the events as JSON, with the header Content-Type: application/json.',
    ),
  );
}

/** Ends the connection of a client that does not read its answer. */
function boundAnswer({ raw }: FastifyReply): void {
  const timer = setTimeout(() => raw.destroy(), ANSWER_MS_MAX).unref();
  raw.once('close', () => {
    clearTimeout(timer);
  });
}

function busy(): ProblemError {
  const detail = 'Too many large requests wait here; nothing of this one was published. Send it again.';
  return new ProblemError(problem('busy', 503, detail), { 'retry-after': '1' });
}
