/**
 * Keeps the connection of a consumer with the broker that leads it, where that costs nothing.
 *
 *   look ─led from elsewhere─▶ nothing held? ─▶ move ─▶ look again
 *                                 └─held─▶ wait a moment, or stay: events can flow over any broker
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { ConsumerSight, DurableConsumer } from './jetstream/durable-consumer.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer } from './outcome.js';
import { seeConsumer } from './session-history.js';

/** Takes a connection to a broker by its name, until `signal` is aborted. @returns whether it is there */
export type MoveConnection = (broker: string, signal: AbortSignal) => Promise<boolean>;

/** What following needs. */
export interface LeaderFollowerParts {
  readonly connection: NatsConnection;
  readonly moveTo?: MoveConnection | undefined;
  readonly durable: DurableConsumer;
  readonly gate: OutageGate;
  readonly recreate: () => Promise<void>;
  readonly observe: Observer;
}

/** A move waits so long for what is held, and takes so long at most: events can flow over any broker. */
const MOVE_MS_MAX = 2_000;
/** A leader that was not met, as behind an address of one broker only, is not sought again for so long. */
const MOVE_AGAIN_MS = 60_000;
const HELD_POLL_MS = 10;

/** See the head of this file. */
export class LeaderFollower {
  /** The leader that was not met last, and when. */
  private unmet: { readonly leader: string; readonly atMs: number } | undefined;

  /**
   * @param isHolding whether deliveries are here that are not settled yet
   * @param stopping ends every wait
   */
  constructor(
    private readonly parts: LeaderFollowerParts,
    private readonly isHolding: () => boolean,
    private readonly stopping: AbortSignal,
  ) {}

  /** Looks at the consumer, and from its leader when the connection can be taken there. */
  async seeConsumer(): Promise<ConsumerSight> {
    const sight = await seeConsumer(this.parts);
    const { leader } = sight;
    const { moveTo } = this.parts;
    if (leader === undefined || !moveTo || !(await this.mayMoveTo(leader))) return sight;
    const patience = new AbortController();
    const timer = setTimeout(() => {
      patience.abort();
    }, MOVE_MS_MAX);
    const signal = AbortSignal.any([patience.signal, this.stopping]);
    const reached = await moveTo(leader, signal).finally(() => {
      clearTimeout(timer);
    });
    this.unmet = reached ? undefined : { leader, atMs: performance.now() };
    this.parts.observe({ type: 'moved', broker: leader, reached });
    // Also to be sure that the connection stands: a pull that is sent before would be lost.
    return seeConsumer(this.parts);
  }

  /** Not while acks are owed: those sent during a move would be lost, and their messages delivered again. */
  private async mayMoveTo(leader: string): Promise<boolean> {
    const { connection, gate } = this.parts;
    if (connection.info?.server_name === leader) return false;
    if (this.unmet?.leader === leader && performance.now() - this.unmet.atMs < MOVE_AGAIN_MS) return false;
    const beganMs = performance.now();
    while (this.isHolding()) {
      if (gate.isOut || this.isStopping() || performance.now() - beganMs > MOVE_MS_MAX) return false;
      await pause(HELD_POLL_MS);
    }
    return !this.isStopping();
  }

  /** Asked anew after every wait: the answer may have changed meanwhile. */
  private isStopping(): boolean {
    return this.stopping.aborted;
  }
}
