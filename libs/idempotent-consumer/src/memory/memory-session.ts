/** A session of a consumer in memory: the twin of `PullSession`, with the same demand. */
import type { Delivery } from '../delivery.js';
import type { DeliverySession, SessionEvents } from '../delivery-source.js';
import { PULL_BYTES_MIN } from '../delivery-source.js';

const PULLS_MAX = 4;

/** What a session tells its consumer. */
interface ConsumerEvents {
  readonly onRequest: (pull: Pull) => void;
  readonly onEnd: () => void;
}

/** One request of a session, as its consumer serves it. */
export interface Pull {
  /** Whether nothing more may be delivered to it. */
  readonly isOver: boolean;
  /** Bytes that it still has room for. */
  readonly bytes: number;
  deliver(delivery: Delivery): void;
  /** Ends it early. */
  end(): void;
}

interface Request extends Pull {
  messages: number;
  bytes: number;
  isOver: boolean;
}

/** See `DeliverySession`. */
export class MemorySession implements DeliverySession {
  private readonly requests = new Set<Request>();
  private lastDeliveredMs = performance.now();
  private ended = false;

  constructor(
    private readonly events: SessionEvents,
    private readonly consumer: ConsumerEvents,
  ) {}

  get requested(): number {
    let sum = 0;
    for (const { messages } of this.requests) sum += messages;
    return sum;
  }

  get deliveredMs(): number {
    return this.lastDeliveredMs;
  }

  get quietMs(): number {
    return this.requests.size === 0 ? 0 : performance.now() - this.lastDeliveredMs;
  }

  request(room: number, roomBytes: number): void {
    if (this.ended || this.requests.size >= PULLS_MAX) return;
    const missing = room - this.requested;
    const missingBytes = roomBytes - this.requestedBytes;
    if (missing <= 0 || missingBytes < PULL_BYTES_MIN) return;
    if (this.requests.size > 0 && (missing < room / 4 || missingBytes < roomBytes / 4)) return;
    if (this.requests.size === 0) this.lastDeliveredMs = performance.now();
    const request = this.requestOf(missing, missingBytes);
    this.requests.add(request);
    this.consumer.onRequest(request);
  }

  lose(reason: string): void {
    if (this.ended) return;
    this.close();
    this.events.onLost(reason);
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    for (const request of this.requests) request.isOver = true;
    this.requests.clear();
    this.consumer.onEnd();
  }

  private get requestedBytes(): number {
    let sum = 0;
    for (const { bytes } of this.requests) sum += bytes;
    return sum;
  }

  private requestOf(messages: number, bytes: number): Request {
    const request: Request = {
      ...{ messages, bytes, isOver: false },
      deliver: (delivery) => {
        this.lastDeliveredMs = performance.now();
        request.messages -= 1;
        request.bytes -= delivery.data.length;
        if (request.messages === 0) this.finish(request);
        this.events.onDelivery(delivery);
      },
      end: () => {
        this.finish(request);
        this.events.onPullEnded();
      },
    };
    return request;
  }

  private finish(request: Request): void {
    request.isOver = true;
    this.requests.delete(request);
  }
}
