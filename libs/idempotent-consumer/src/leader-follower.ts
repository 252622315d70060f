import { setTimeout as pause } from 'node:timers/promises';
import type { ConsumerState, DeliverySource } from './delivery-source.js';
import type { OutageGate } from './outage-gate.js';
import type { Observer } from './outcome.js';
import { inspectConsumer } from './session-history.js';

/**
 * Moves a connection to a broker, by its name, until `signal` is aborted. @returns whether the connection is
 * there
 */
export type MoveConnection = (broker: string, signal: AbortSignal) => Promise<boolean>;

/** What `LeaderFollower` works with. */
export interface LeaderFollowerParts {
  readonly source: DeliverySource;
  readonly moveTo?: MoveConnection | undefined;
  readonly gate: OutageGate;
  readonly recreate: () => Promise<void>;
  readonly observe: Observer;
}

/** How long a move waits for held deliveries, and how long it may take itself. */
const MOVE_MS_MAX = 2_000;
/**
 * After a failed move, the same leader is not tried again for this time. A connection with one address cannot
 * reach others.
 */
const MOVE_AGAIN_MS = 60_000;
const HELD_POLL_MS = 10;

/**
 * Keeps the connection of a consumer at the broker that leads it, where that costs nothing.
 *
 *   inspect ─led by another broker─▶ nothing held? ─▶ move ─▶ inspect again
 *                                        └─held─▶ wait a moment, or stay: events can flow through any broker
 */
export class LeaderFollower {
  /** The leader of the last failed move, and when that was. */
  private unmet: { readonly leader: string; readonly atMs: number } | undefined;

  /**
   * @param isHolding whether this process holds unsettled deliveries
   * @param stopping ends every wait
   */
  constructor(
    private readonly parts: LeaderFollowerParts,
    private readonly isHolding: () => boolean,
    private readonly stopping: AbortSignal,
  ) {}

  /** Inspects the consumer, and moves the connection to its leader if possible. */
  async inspectConsumer(): Promise<ConsumerState> {
    const state = await inspectConsumer(this.parts);
    const { leader } = state;
    const { moveTo } = this.parts;
    if (leader === undefined || !moveTo || !(await this.mayMoveTo(leader))) return state;
    const moveTimeout = new AbortController();
    const timer = setTimeout(() => {
      moveTimeout.abort();
    }, MOVE_MS_MAX);
    const signal = AbortSignal.any([moveTimeout.signal, this.stopping]);
    const reached = await moveTo(leader, signal).finally(() => {
      clearTimeout(timer);
    });
    this.unmet = reached ? undefined : { leader, atMs: performance.now() };
    this.parts.observe({ type: 'moved', broker: leader, reached });
    // This also makes sure that the connection works: a pull that is sent before would be lost.
    return inspectConsumer(this.parts);
  }

  /**
   * The connection does not move while acks are outstanding. Acks during a move would be lost, and their
   * messages redelivered.
   */
  private async mayMoveTo(leader: string): Promise<boolean> {
    const { source, gate } = this.parts;
    if (source.broker === leader) return false;
    if (this.unmet?.leader === leader && performance.now() - this.unmet.atMs < MOVE_AGAIN_MS) return false;
    const beganMs = performance.now();
    while (this.isHolding()) {
      if (gate.isOut || this.isStopping() || performance.now() - beganMs > MOVE_MS_MAX) return false;
      await pause(HELD_POLL_MS);
    }
    return !this.isStopping();
  }

  /** Checked again after every wait, because the answer may have changed. */
  private isStopping(): boolean {
    return this.stopping.aborted;
  }
}
