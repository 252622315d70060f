/**
 * Receives request bodies. The server does not parse JSON, because its text is needed.
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
import type { Socket } from 'node:net';
import { errorCodes, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { sendContinue } from '../expectations.js';
import { Arrival, type Done } from './body-arrival.js';
import { BodyPace } from './body-pace.js';
import { BodyRoom } from './body-room.js';
import { tooLarge } from './body-source.js';
import { decoderOf, encoded, type DecoderFactory } from './content-encoding.js';
import { busy, JsonBody } from './json-body.js';
import { ArrivingBody, LineBody, type ArrivingBodyBounds } from './line-body.js';

/** How long a client may take to read an answer that takes room. */
const ANSWER_MS_MAX = 30_000;

/** The types of bodies whose lines are read one by one. */
const LINE_TYPES = ['application/x-ndjson', 'application/jsonl', 'application/stream+json'];

/** What a route says of the bodies that it takes. */
export interface RouteBodies {
  /** Whether it takes bodies of every type. Without it, other types than JSON and lines are refused with 415. */
  readonly anyBody?: boolean;
  /** Whether it takes every body as lines, whatever its type is. */
  readonly lines?: boolean;
  /**
   * Whether a body is one event, and is needed as it was sent. Then it is bounded like a line, and an encoded one is
   * refused with 415.
   */
  readonly isOneEvent?: boolean;
  /** A type of bodies that this route alone reads while they arrive. */
  readonly arriving?: ArrivingType;
  /** Whether the route decodes `Content-Encoding: snappy` itself. */
  readonly snappy?: boolean;
}

/** Bodies of one media type that are read while they arrive. */
export interface ArrivingType {
  readonly type: string;
  readonly Body: new (
    payload: NodeJS.ReadableStream,
    socket: Socket,
    decode: DecoderFactory | undefined,
    bounds: ArrivingBodyBounds,
  ) => ArrivingBody<unknown>;
}

/** Receives the bodies of one server. */
export class RequestBodies {
  private readonly room = new BodyRoom();
  private readonly pace: BodyPace;

  /**
   * @param bytesMax of one body
   * @param bytesPerSecondMin a large body that arrives more slowly is cut off
   * @param lineBytesMax of one line
   * @param ownerOf the client whose room a request takes
   */
  constructor(
    private readonly bytesMax: number,
    bytesPerSecondMin: number,
    private readonly lineBytesMax: number,
    private readonly ownerOf: (request: FastifyRequest) => string,
  ) {
    this.pace = new BodyPace(bytesPerSecondMin);
  }

  /** Makes the server pass bodies on: as `LineBody`, as the type of its route, or as `JsonBody`. */
  serve(server: FastifyInstance): void {
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('application/json', (request, payload, done: Done) => {
      if (bodiesOf(request).lines === true) this.receiveArriving(LineBody, request, payload, done);
      else this.receive(request, payload, done);
    });
    server.addContentTypeParser(LINE_TYPES, (request, payload, done: Done) => {
      this.receiveArriving(LineBody, request, payload, done);
    });
    server.addContentTypeParser('*', (request, payload, done: Done) => {
      const { anyBody, lines, arriving } = bodiesOf(request);
      if (lines === true) this.receiveArriving(LineBody, request, payload, done);
      else if (arriving?.type === mediaTypeOf(request))
        this.receiveArriving(arriving.Body, request, payload, done);
      else if (anyBody === true || request.is404) this.receive(request, payload, done);
      else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE());
    });
    server.addHook('onSend', (request, reply, _payload, next) => {
      if (isBody(request.body) && request.body.isLarge) boundAnswer(reply);
      next();
    });
    // Whatever becomes of the request, its room is released. A client that has gone gets no answer, so no hook of the
    // answer would run.
    server.addHook('preHandler', ({ body }, { raw }, next) => {
      if (!isBody(body)) next();
      else if (raw.destroyed) {
        body.close();
        next(new errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH());
      } else {
        raw.once('close', () => {
          body.close();
        });
        next();
      }
    });
  }

  private receive(request: FastifyRequest, payload: NodeJS.ReadableStream, done: Done): void {
    const announced = Number(request.headers['content-length'] ?? 0);
    const { isOneEvent = false } = request.routeOptions.config as RouteBodies;
    const bytesMax = isOneEvent ? Math.min(this.bytesMax, this.lineBytesMax) : this.bytesMax;
    if (announced > bytesMax) {
      done(tooLarge());
      return;
    }
    const decode = decoderOr(request, done);
    if (decode === 'done') return;
    if (isOneEvent && decode !== undefined) {
      done(encoded());
      return;
    }
    const owner = this.ownerOf(request);
    const hasRoom = this.room.hasRoomFor(announced, owner);
    if (!sendContinue(request.raw, hasRoom)) {
      done(null, busy());
      return;
    }
    new Arrival(payload, decode, this.room.share(owner), this.pace, bytesMax, done).begin(hasRoom);
  }

  /** Such a body is read by its route, so it is passed on before its first byte. */
  private receiveArriving(
    Body: ArrivingType['Body'],
    request: FastifyRequest,
    payload: NodeJS.ReadableStream,
    done: Done,
  ): void {
    const decode = decoderOr(request, done);
    if (decode === 'done') return;
    sendContinue(request.raw, true);
    const { room, pace, lineBytesMax } = this;
    const bounds = { room, owner: this.ownerOf(request), pace, lineBytesMax };
    done(null, new Body(payload, request.raw.socket, decode, bounds));
  }
}

function bodiesOf(request: FastifyRequest): RouteBodies {
  return request.is404 ? {} : (request.routeOptions.config as RouteBodies);
}

/** The decoder of a request, unless it is refused or has no route. */
function decoderOr(request: FastifyRequest, done: Done): DecoderFactory | undefined | 'done' {
  try {
    const encoding = request.headers['content-encoding'];
    const { snappy = false } = request.routeOptions.config as RouteBodies;
    const decode = snappy && encoding?.toLowerCase() === 'snappy' ? undefined : decoderOf(encoding);
    if (!request.is404) return decode;
    done(null);
  } catch (error) {
    done(error as Error);
  }
  return 'done';
}

/** The media type of a body in small letters, without parameters. It is empty when the request names none. */
export function mediaTypeOf({ headers }: Pick<FastifyRequest, 'headers'>): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function isBody(body: unknown): body is JsonBody | ArrivingBody<unknown> {
  return body instanceof JsonBody || body instanceof ArrivingBody;
}

/** Ends the connection of a client that does not read its answer. */
function boundAnswer({ raw }: FastifyReply): void {
  const timer = setTimeout(() => raw.destroy(), ANSWER_MS_MAX).unref();
  raw.once('close', () => {
    clearTimeout(timer);
  });
}
