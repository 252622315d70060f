import { expect } from '@jest/globals';
import { waitFor } from '#testing';
import type { Delivery } from '../delivery.js';
import type { ConsumerState, DeliverySession, DeliverySource } from '../delivery-source.js';

/** A stream without messages, and a durable consumer on it. */
export interface TestedSource {
  readonly source: DeliverySource;
  /** Publishes under a subject of the stream that ends in `token`. @returns the sequence */
  readonly publish: (
    token: string,
    body: string | Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<number>;
  /** Removes a message from the stream. */
  readonly deleteMessage: (seq: number) => Promise<void>;
  readonly deleteConsumer: () => Promise<void>;
}

/** One implementation. */
export interface SourceImplementation {
  /** An ack wait that is short for it. */
  readonly ackWaitMs: number;
  begin(ackWaitMs: number): Promise<TestedSource>;
  dispose(): Promise<void>;
}

/** Room for the bodies of a case. */
export const ROOM_BYTES = 10_000_000;
/** How long a case waits for what has to come. */
export const TIMEOUT_MS = 20_000;
const LONG_MS = 60_000;

/** A session, and what came by it. */
export class Collected {
  readonly deliveries: Delivery[] = [];
  readonly lost: string[] = [];
  pullsEnded = 0;
  readonly session: DeliverySession;

  constructor(source: DeliverySource, onDelivery: (delivery: Delivery) => void = () => undefined) {
    this.session = source.open({
      onDelivery: (delivery) => {
        this.deliveries.push(delivery);
        onDelivery(delivery);
      },
      onPullEnded: () => {
        this.pullsEnded += 1;
      },
      onLost: (reason) => void this.lost.push(reason),
    });
  }

  get seqs(): number[] {
    return this.deliveries.map(({ seq }) => seq);
  }

  /** Sequences with the number of their delivery. */
  get counts(): (readonly [seq: number, count: number])[] {
    return this.deliveries.map(({ seq, deliveryCount }) => [seq, deliveryCount]);
  }

  /** @returns the delivery at this place, as soon as it has come */
  async at(index: number): Promise<Delivery> {
    await waitFor(() => this.deliveries.length > index || this.lost.length > 0, {
      timeoutMs: TIMEOUT_MS,
      describe: `delivery ${index}`,
    });
    expect(this.lost).toEqual([]);
    const delivery = this.deliveries[index];
    if (!delivery) throw new Error('it has come');
    return delivery;
  }
}

/** What a case works with: a stream, its consumer and the sessions of the case. */
export class SourceFixture {
  private tested: TestedSource | undefined;
  private readonly opened: Collected[] = [];

  constructor(readonly on: SourceImplementation) {}

  async begin(ackWaitMs = LONG_MS): Promise<TestedSource> {
    this.tested = await this.on.begin(ackWaitMs);
    return this.tested;
  }

  /** Publishes messages whose bodies are these. */
  async publish(...bodies: readonly string[]): Promise<void> {
    for (const body of bodies) await this.tested?.publish('a', body);
  }

  open(onDelivery?: (delivery: Delivery) => void): Collected {
    if (!this.tested) throw new Error('a case begins with begin()');
    const collected = new Collected(this.tested.source, onDelivery);
    this.opened.push(collected);
    return collected;
  }

  async state(): Promise<ConsumerState> {
    const state = await this.tested?.source.inspect();
    if (!state) throw new Error('the consumer does not exist');
    return state;
  }

  /** Waits until the broker has taken answers. */
  async stateBecomes(expected: Partial<ConsumerState>): Promise<void> {
    await this.tested?.source.flush();
    const state = await waitFor(
      async () => {
        const now = await this.state();
        return (
          Object.entries(expected).every(([key, value]) => now[key as keyof ConsumerState] === value) && now
        );
      },
      { timeoutMs: TIMEOUT_MS, describe: JSON.stringify(expected) },
    );
    expect(state).toMatchObject(expected);
  }

  end(): void {
    for (const { session } of this.opened.splice(0)) session.close();
  }
}
