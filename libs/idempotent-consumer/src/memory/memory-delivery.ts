/** A delivery in memory: the twin of `JetStreamDelivery`. */
import type { Delivery } from '../delivery.js';
import type { StoredMessage } from './memory-stream.js';

/** What the consumer does with an answer. */
interface Answers {
  readonly settle: () => void;
  /** Has it delivered again after a time; after another ack wait where none is given. */
  readonly postpone: (ms?: number) => void;
}

/** One delivery of one message. The first answer counts, and every later one is ignored. */
export class MemoryDelivery implements Delivery {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly publishedAt: Date;
  private answered = false;

  constructor(
    private readonly message: StoredMessage,
    readonly deliveryCount: number,
    private readonly answers: Answers,
    readonly deliveryNumber: number,
  ) {
    this.seq = message.seq;
    this.subject = message.subject;
    this.data = message.data;
    this.publishedAt = message.publishedAt;
  }

  header(name: string): string | undefined {
    const value = this.message.headers[name];
    return value === '' ? undefined : value;
  }

  headerBytes(): Uint8Array | undefined {
    const entries = Object.entries(this.message.headers);
    if (entries.length === 0) return undefined;
    const lines = entries.map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`);
  }

  headersText(): string | undefined {
    const entries = Object.entries(this.message.headers);
    if (entries.length === 0) return undefined;
    return JSON.stringify(Object.fromEntries(entries.map(([name, value]) => [name, [value]])));
  }

  ack(): void {
    if (this.isFirstAnswer()) this.answers.settle();
  }

  nak(delayMs: number): void {
    if (this.isFirstAnswer()) this.answers.postpone(delayMs);
  }

  term(): void {
    if (this.isFirstAnswer()) this.answers.settle();
  }

  working(): void {
    if (!this.answered) this.answers.postpone();
  }

  private isFirstAnswer(): boolean {
    const isFirst = !this.answered;
    this.answered = true;
    return isFirst;
  }
}
