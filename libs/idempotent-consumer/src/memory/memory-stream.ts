/**
 * A stream and its durable consumers in memory: the twin of JetStream, for tests of the engine without
 * servers.
 *
 * What a consumer does with deliveries is in memory-consumer.ts. Of brokers there is one: it can go down and
 * come back.
 */

/** What a client published. */
export interface StoredMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly publishedAt: Date;
}

/** What a consumer hears of its stream. */
interface StreamEvents {
  /** There is another message. */
  readonly onPublished: () => void;
  /** The broker does not answer from now on. */
  readonly onDown: () => void;
  /** The broker answers again. */
  readonly onUp: () => void;
}

/** A stream. */
export class MemoryStream {
  private readonly messages = new Map<number, StoredMessage>();
  private readonly listeners = new Set<StreamEvents>();
  private last = 0;
  private down = false;

  constructor(
    readonly name = 'MEMORY',
    readonly identity = 'in memory',
  ) {}

  get isDown(): boolean {
    return this.down;
  }

  get firstSeq(): number {
    for (const seq of this.messages.keys()) return seq;
    return this.last + 1;
  }

  get lastSeq(): number {
    return this.last;
  }

  /** @returns the sequence of the message */
  publish(
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): number {
    const data = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    const seq = ++this.last;
    this.messages.set(seq, { seq, subject, data, headers, publishedAt: new Date() });
    for (const { onPublished } of this.listeners) onPublished();
    return seq;
  }

  message(seq: number): StoredMessage | undefined {
    return this.messages.get(seq);
  }

  /** The first message at or after a sequence. */
  firstFrom(from: number): StoredMessage | undefined {
    for (let seq = from; seq <= this.last; seq++) {
      const message = this.messages.get(seq);
      if (message) return message;
    }
    return undefined;
  }

  /** How many messages there are at or after a sequence. */
  countFrom(from: number): number {
    let count = 0;
    for (let seq = from; seq <= this.last; seq++) if (this.messages.has(seq)) count += 1;
    return count;
  }

  /** Removes a message, as by hand. */
  delete(seq: number): void {
    this.messages.delete(seq);
  }

  /** Stops answering: requests fail, sessions are lost, answers to deliveries do not arrive. */
  goDown(): void {
    this.down = true;
    for (const { onDown } of this.listeners) onDown();
  }

  comeBack(): void {
    this.down = false;
    for (const { onUp } of this.listeners) onUp();
  }

  /** Calls a consumer from now on. */
  subscribe(events: StreamEvents): void {
    this.listeners.add(events);
  }
}
