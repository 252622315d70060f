import { problem, ProblemError } from '../problems/problem-error.js';
import { SMALL_BYTES_MAX, type RoomShare } from './body-room.js';

/** A request with up to this many events has a short answer, whatever its content. */
const SHORT_ANSWER_EVENTS_MAX = 100;
/** Bytes of an answer about one event, without the names that it repeats. */
const ANSWER_BYTES_PER_EVENT = 256;
/** Bytes of the names of one event, at most. */
const NAME_BYTES_PER_EVENT = 2_048;
/** The body of a request, with the room that it and its answer take. */
export class JsonBody {
  /** Bytes stay outside the heap. As text, waiting bodies would be in the heap, whose bound is tighter. */
  private bytes: Buffer | undefined;
  private length: number;
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

  /** The bytes. Throws when it was released. */
  get content(): Buffer {
    if (this.bytes === undefined) throw new Error('The body was released.');
    return this.bytes;
  }

  /**
   * Replaces the bytes by what they unpack to. Throws a 503 when there is no room for both.
   *
   * @param length of the unpacked bytes
   */
  unpack(length: number, unpacked: (bytes: Buffer) => Buffer): void {
    if (!this.share.growTo(this.length + length)) throw busy();
    this.bytes = unpacked(this.content);
    this.length = length;
    this.share.shrinkTo(length > SMALL_BYTES_MAX ? length : 0);
  }

  /** Decodes the text. Throws a 400 when it is not UTF-8, and when it was released. */
  decode(): string {
    const { content } = this;
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(content);
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

/** The share of a text that was derived from a body. That body holds the room. */
export const ROOM_OF_ANOTHER: Pick<RoomShare, 'isLarge' | 'growTo' | 'shrinkTo'> = {
  isLarge: false,
  growTo: () => true,
  shrinkTo: () => undefined,
};

/** The body of a request. Throws a 415 when it has none, a 503 when there was no room for it. */
export function jsonBodyOf(body: unknown): JsonBody {
  if (body instanceof JsonBody) return body;
  if (body instanceof ProblemError) throw body;
  // The server does not read a body without a type.
  throw new ProblemError(
    problem(
      'unsupported-type',
      415,
      'Send the events as JSON, with the header Content-Type: application/json, or one in each line, as application/x-ndjson.',
    ),
  );
}

/** The refusal of a body for which there is no room. */
export function busy(): ProblemError {
  const detail = 'Too many large requests wait here; nothing of this one was published. Send it again.';
  return new ProblemError(problem('busy', 503, detail), { 'retry-after': '1' });
}
