/**
 * Request bodies as they arrived: JSON is not parsed by the server, because its text is needed.
 *
 *   arriving ─last byte─▶ JsonBody ─release()─▶ gone
 *      └─no room─▶ what still comes is thrown away ─last byte─▶ 503
 *
 * A large body takes room (body-room.ts) from its first bytes on, or many at the same moment would take what they like. A
 * refused one is read to its end all the same: whoever is still sending when the connection is closed never sees the answer.
 */
import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';
import { problem, ProblemError } from '../problems/problem-error.js';
import { BodyRoom, type RoomShare } from './body-room.js';

type Done = (error: Error | null, body?: unknown) => void;

/** The body of a request, and the room it takes. */
export class JsonBody {
  /** As they arrived: made into text, those that wait would be in the heap, which is bounded more tightly. */
  private chunks: readonly Buffer[] | undefined;

  constructor(
    chunks: readonly Buffer[],
    private readonly share: Pick<RoomShare, 'isLarge' | 'giveBack'>,
  ) {
    this.chunks = chunks;
  }

  /** Whether it takes room from others. */
  get isLarge(): boolean {
    return this.share.isLarge;
  }

  /** Makes its text. Throws a 400 when it is not UTF-8, and when it was released. */
  decode(): string {
    if (this.chunks === undefined) throw new Error('The body was released.');
    const [first] = this.chunks;
    const bytes = this.chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.chunks);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw new ProblemError(problem('malformed-json', 400, 'The body is not UTF-8.'));
    }
  }

  /** Lets go of it and gives its room back; again it does nothing. */
  release(): void {
    this.chunks = undefined;
    this.share.giveBack();
  }
}

/** Takes in the bodies of one server. */
export class JsonBodies {
  private readonly room = new BodyRoom();

  /** @param bytesMax of one body */
  constructor(private readonly bytesMax: number) {}

  /** Makes the server hand on JSON bodies as `JsonBody`; any other type is refused with 415. */
  serve(server: FastifyInstance): void {
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('application/json', (request, payload, done: Done) => {
      this.receive(request, payload, done);
    });
    // Whatever became of the request: nothing is held for it any more.
    server.addHook('onResponse', (request, _reply, next) => {
      if (request.body instanceof JsonBody) request.body.release();
      next();
    });
  }

  private receive(request: FastifyRequest, payload: NodeJS.ReadableStream, done: Done): void {
    const announced = Number(request.headers['content-length'] ?? 0);
    const refusal = announced > this.bytesMax ? tooLarge() : encodingRefusal(request);
    if (refusal !== undefined) {
      done(refusal);
      return;
    }
    const share = this.room.share();
    let chunks: Buffer[] | undefined = this.room.hasRoomFor(announced) ? [] : undefined;
    let bytes = 0;
    const end = (error: Error | null, body?: JsonBody | ProblemError): void => {
      payload.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut);
      if (!(body instanceof JsonBody)) share.giveBack();
      done(error, body);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > this.bytesMax) {
        end(tooLarge());
      } else if (chunks !== undefined && share.growTo(bytes)) {
        chunks.push(chunk);
      } else {
        chunks = undefined;
        share.giveBack();
      }
    };
    const onEnd = (): void => {
      // As a body: an error would have the connection closed.
      end(null, chunks === undefined ? busy() : new JsonBody(chunks, share));
    };
    // Nobody hears the answer; what was held is given back.
    const onCut = (): void => {
      end(new errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH());
    };
    payload.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
  }
}

/** The body of a request. Throws a 415 when it has none, a 503 when there was no room for it. */
export function jsonBodyOf(body: unknown): JsonBody {
  if (body instanceof JsonBody) return body;
  if (body instanceof ProblemError) throw body;
  // Without a type the server does not read the body.
  throw new ProblemError(
    problem(
      'unsupported-type',
      415,
      'Send the events as JSON, with the header Content-Type: application/json.',
    ),
  );
}

function encodingRefusal(request: FastifyRequest): ProblemError | undefined {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return undefined;
  const detail = `Content-Encoding ${encoding.slice(0, 50)} is not taken.`;
  return new ProblemError(problem('unsupported-type', 415, detail));
}

function tooLarge(): Error {
  return new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
}

function busy(): ProblemError {
  const detail = 'Too many large requests wait here; nothing of this one was published. Send it again.';
  return new ProblemError(problem('busy', 503, detail), { 'retry-after': '1' });
}
