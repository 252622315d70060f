/** A JetStream message as a delivery. What the broker tells about it stands in its reply subject. */
import type { Msg } from '@nats-io/nats-core';
import type { Delivery } from '../delivery.js';

const bytes = new TextEncoder();
const ACK = bytes.encode('+ACK');
const WORKING = bytes.encode('+WPI');
const NANOSECONDS_DIGITS = 6;

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>`, with
 * `<domain>.<account>` before the stream in the newer form.
 */
const TOKENS_OLD_FORM = 9;

/** One delivery of a pull consumer. */
export class JetStreamDelivery implements Delivery {
  readonly seq: number;
  readonly deliveryCount: number;
  private readonly publishedMs: number;
  private answered = false;

  /** @throws when the message did not come from a consumer */
  constructor(private readonly message: Msg) {
    const tokens = (message.reply ?? '').split('.');
    if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < TOKENS_OLD_FORM) {
      throw new Error(`not a delivery of a JetStream consumer: reply ${message.reply ?? 'missing'}`);
    }
    const first = tokens.length === TOKENS_OLD_FORM ? 4 : 6;
    this.deliveryCount = Number(tokens[first]);
    this.seq = Number(tokens[first + 1]);
    // Nanoseconds are no safe integer; cut as text they are milliseconds.
    this.publishedMs = Number(tokens[first + 3]?.slice(0, -NANOSECONDS_DIGITS));
  }

  get publishedAt(): Date {
    return new Date(this.publishedMs);
  }

  get subject(): string {
    return this.message.subject;
  }

  get data(): Uint8Array {
    return this.message.data;
  }

  header(name: string): string | undefined {
    const value = this.message.headers?.get(name);
    return value === '' ? undefined : value;
  }

  headersText(): string | undefined {
    const { headers } = this.message;
    if (!headers) return undefined;
    return JSON.stringify(Object.fromEntries(headers.keys().map((key) => [key, headers.values(key)])));
  }

  ack(): void {
    this.answer(ACK);
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
