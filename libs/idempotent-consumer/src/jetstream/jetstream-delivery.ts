import type { Msg } from '@nats-io/nats-core';
import type { Delivery } from '../delivery.js';
import { keptHeaders } from '../kept-headers.js';
import type { AckWriter } from './ack-writer.js';

const bytes = new TextEncoder();
const WORKING = bytes.encode('+WPI');
/** Nanoseconds exceed the safe integers. Without these digits they are milliseconds. */
const DIGITS_BELOW_MS = 6;

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`, with
 * `<domain>.<account>` before the stream in the newer form.
 */
const DOTS_OLD_FORM = 8;
const TOKENS_BEFORE_NUMBERS = 4;
const TOKENS_BEFORE_NUMBERS_NEW_FORM = 6;
const DOT = 0x2e;
const DIGIT_0 = 0x30;

/** A message of the client knows its bytes, with subject, reply subject and headers. Its interface does not say so. */
interface MeasuredMsg extends Msg {
  size?(): number;
}

/** The headers as they are sent, for a client that keeps them apart from the body. */
function parsedHeaders(headers: Msg['headers']): Uint8Array | undefined {
  if (headers === undefined) return undefined;
  const lines = headers
    .keys()
    .flatMap((name) => headers.values(name).map((value) => `${name}: ${value}\r\n`));
  return bytes.encode(`NATS/1.0\r\n${lines.join('')}\r\n`);
}

/** One delivery of a pull consumer. Its numbers come from the reply subject of the message. */
export class JetStreamDelivery implements Delivery {
  readonly seq: number;
  readonly deliveryCount: number;
  readonly deliveryNumber: number;
  /** Kept because the client would slice its receive buffer at each access, and the length is read often. */
  readonly data: Uint8Array;
  private readonly publishedMs: number;
  private answered = false;

  /** @throws when the message did not come from a consumer */
  constructor(
    private readonly message: Msg,
    private readonly acks: Pick<AckWriter, 'ack'>,
  ) {
    const numbers = new AckNumbers(message.reply ?? '');
    this.deliveryCount = numbers.next();
    this.seq = numbers.next();
    this.deliveryNumber = numbers.next();
    this.publishedMs = numbers.nextMilliseconds();
    this.data = message.data;
  }

  get publishedAt(): Date {
    return new Date(this.publishedMs);
  }

  get subject(): string {
    return this.message.subject;
  }

  header(name: string): string | undefined {
    const value = this.message.headers?.get(name);
    return value === '' ? undefined : value;
  }

  /** The client has them in front of the body, in the same buffer. Parsing them takes many times as long. */
  headerBytes(): Uint8Array | undefined {
    const { data } = this;
    const message: MeasuredMsg = this.message;
    const bytesMax = message.size?.() ?? Number.POSITIVE_INFINITY;
    const names = Buffer.byteLength(message.subject) + Buffer.byteLength(message.reply ?? '');
    const length = bytesMax - names - data.length;
    if (length <= 0) return undefined;
    if (length > data.byteOffset) return parsedHeaders(message.headers);
    return new Uint8Array(data.buffer, data.byteOffset - length, length);
  }

  headersText(): string | undefined {
    const { headers } = this.message;
    return headers && keptHeaders(headers.keys().map((name) => [name, headers.values(name)] as const));
  }

  ack(): void {
    if (this.answered) return;
    this.answered = true;
    this.acks.ack(this.message);
  }

  nak(delayMs: number): void {
    this.answer(`-NAK ${JSON.stringify({ delay: Math.round(delayMs * 1e6) })}`);
  }

  term(reason: string): void {
    this.answer(`+TERM ${reason}`);
  }

  working(): void {
    if (!this.answered) this.message.respond(WORKING);
  }

  private answer(payload: string | Uint8Array): void {
    if (this.answered) return;
    this.answered = true;
    this.message.respond(payload);
  }
}

/**
 * Reads the numbers of a reply subject in place. A string for each token would be most of the garbage of a
 * delivery.
 */
class AckNumbers {
  private at: number;

  /** @throws when it is not the reply subject of a delivery */
  constructor(private readonly reply: string) {
    let dots = 0;
    for (let at = 0; at < reply.length; at++) if (reply.charCodeAt(at) === DOT) dots++;
    if (!reply.startsWith('$JS.ACK.') || dots < DOTS_OLD_FORM) {
      throw new Error(`not a delivery of a JetStream consumer: reply ${reply || 'missing'}`);
    }
    let tokens = dots === DOTS_OLD_FORM ? TOKENS_BEFORE_NUMBERS : TOKENS_BEFORE_NUMBERS_NEW_FORM;
    for (this.at = 0; tokens > 0; tokens--) this.at = reply.indexOf('.', this.at) + 1;
  }

  next(): number {
    return this.read(this.end());
  }

  nextMilliseconds(): number {
    return this.read(this.end() - DIGITS_BELOW_MS);
  }

  private end(): number {
    const end = this.reply.indexOf('.', this.at);
    return end < 0 ? this.reply.length : end;
  }

  private read(to: number): number {
    let value = 0;
    for (let at = this.at; at < to; at++) value = value * 10 + this.reply.charCodeAt(at) - DIGIT_0;
    this.at = this.end() + 1;
    return value;
  }
}
