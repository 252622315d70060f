import type { Delivery } from '../delivery.js';
import { keptHeaders } from '../kept-headers.js';

/** An event that was parked, as its row has it. */
export interface ParkedRow {
  readonly stream_id: number;
  readonly seq: number;
  readonly key: string;
  readonly topic: string;
  /** Empty where the id is not known. */
  readonly event_id: string;
  readonly subject: string;
  readonly headers: Buffer | null;
  readonly body: Buffer;
  readonly deliveries: number;
  readonly published_at: Date;
  /** Whether it is tried again, and not only behind such an event. */
  readonly is_retry: boolean;
}

/** A delivery that was parked. The brokers have their answer already, so answers do nothing. */
export class ParkedDelivery implements Delivery {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly deliveryCount: number;
  readonly publishedAt: Date;
  private parsed: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(private readonly row: ParkedRow) {
    this.seq = row.seq;
    this.subject = row.subject;
    this.data = row.body;
    this.deliveryCount = row.deliveries;
    this.publishedAt = row.published_at;
  }

  header(name: string): string | undefined {
    const value = this.headers().get(name)?.[0];
    return value === '' ? undefined : value;
  }

  headerBytes(): Uint8Array | undefined {
    return this.row.headers ?? undefined;
  }

  headersText(): string | undefined {
    const headers = this.headers();
    return headers.size === 0 ? undefined : keptHeaders(headers);
  }

  ack(): void {
    // See above.
  }

  nak(): void {
    // See above.
  }

  term(): void {
    // See above.
  }

  working(): void {
    // See above.
  }

  /** The first line is that of the protocol. */
  private headers(): ReadonlyMap<string, readonly string[]> {
    if (this.parsed !== undefined) return this.parsed;
    const parsed = new Map<string, string[]>();
    for (const line of (this.row.headers?.toString() ?? '').split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      if (colon < 0) continue;
      const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
      const values = parsed.get(name);
      if (values === undefined) parsed.set(name, [value]);
      else values.push(value);
    }
    this.parsed = parsed;
    return parsed;
  }
}
