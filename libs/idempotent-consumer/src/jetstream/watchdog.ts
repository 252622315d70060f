import { historyDoubt } from '../delivery-check.js';
import type { ConsumerState } from '../delivery-source.js';

/** The part of a session that is watched. */
export interface WatchedSession {
  /** Milliseconds since the last delivery while some are requested; 0 while none is. */
  readonly quietMs: number;
  /**
   * When the last delivery arrived, or deliveries were requested after a pause, by the clock of
   * `performance`.
   */
  readonly deliveredMs: number;
  /** Requested deliveries that have not arrived yet. */
  readonly requested: number;
  lose(reason: string): void;
}

/** What the watchdog works with. */
export interface WatchdogParts {
  readonly session: WatchedSession;
  /** The state of the consumer before the session. */
  readonly before: ConsumerState;
  /** Inspects the consumer. It throws when no broker answers. */
  readonly inspect: () => Promise<ConsumerState | undefined>;
  /**
   * Whether this process holds a delivery of the sequence, or another process may hold one for a good reason.
   */
  readonly isHeld: (seq: number) => boolean;
  /** Has unsettled deliveries delivered again, both ends included. */
  readonly giveBack: (firstSeq: number, lastSeq: number, consumer: ConsumerState) => void;
  /** Called while deliveries arrive, which shows that the broker answers. */
  readonly onFlow: () => void;
}

/**
 * How often the consumer is inspected while deliveries arrive, or fail to arrive; otherwise the ack wait
 * decides.
 */
const INSPECT_EVERY_MS = 2_000;
/** After this quiet time while messages are pending, the session is dead without a status message. */
const STALLED_MS = 4_000;
/**
 * Added to two ack waits. By then every live worker has signalled progress for its deliveries, or they came
 * again.
 */
const STUCK_MARGIN_MS = 5_000;
const GIVEN_BACK_MAX = 20_000;

/** The ack floor, since when it stands there, and the last sequence that was delivered by then. */
interface Floor {
  readonly seq: number;
  readonly sinceMs: number;
  readonly deliveredSeq: number;
}

/**
 * Watches a session for what no status message says. Each session has one, which must be stopped with it.
 *
 *   inspect ─gone, created again, another history, or stalled─▶ the session is lost
 *     └─the oldest delivery stays unsettled─▶ a nak in the name of its holder: it is delivered again
 *
 * The broker redelivers unsettled messages after the ack wait, by its own clock. When the clock of the
 * consumer's leader is set back, it waits longer by as much, and only a nak ends that wait. The nak needs no
 * other right than to settle. A message that another worker still holds may then come twice, which the inbox
 * notices.
 */
export class Watchdog {
  private readonly timer: NodeJS.Timeout;
  private floor: Floor;
  private inspectedMs = performance.now();
  private isInspecting = false;

  constructor(private readonly parts: WatchdogParts) {
    this.floor = floorOf(parts.before);
    this.timer = setInterval(() => void this.watch(), INSPECT_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async watch(): Promise<void> {
    const { session, before } = this.parts;
    const isQuiet = session.quietMs >= STALLED_MS;
    if (!isQuiet && session.requested > 0) this.parts.onFlow();
    // New deliveries may be of another history, and are stored until that is noticed.
    const isNew = session.deliveredMs >= this.inspectedMs;
    const isDue = performance.now() - this.inspectedMs >= before.ackWaitMs / 2;
    if (this.isInspecting || (!isQuiet && !isNew && !isDue)) return;
    this.isInspecting = true;
    this.inspectedMs = performance.now();
    try {
      this.judge(await this.parts.inspect());
    } catch (error) {
      // While deliveries arrive, one question without an answer is not a doubt.
      if (isQuiet) session.lose(error instanceof Error ? error.message : String(error));
    } finally {
      this.isInspecting = false;
    }
  }

  private judge(now: ConsumerState | undefined): void {
    const { session, before } = this.parts;
    const changed = now && historyDoubt(before, now);
    if (!now) session.lose('the consumer is gone');
    else if (changed !== undefined) session.lose(changed);
    else if (now.pending > 0 && session.quietMs >= STALLED_MS)
      session.lose('messages wait, and none is delivered');
    else this.freeWhatIsStuck(now);
  }

  private freeWhatIsStuck(now: ConsumerState): void {
    const { floor } = this;
    if (now.ackPending === 0 || now.ackFloorSeq !== floor.seq) {
      this.floor = floorOf(now);
      return;
    }
    const oldest = floor.seq + 1;
    const isOverdue = performance.now() - floor.sinceMs >= 2 * now.ackWaitMs + STUCK_MARGIN_MS;
    if (!isOverdue || oldest > floor.deliveredSeq || this.parts.isHeld(oldest)) return;
    // Later deliveries have not used up their time.
    const last = Math.min(floor.deliveredSeq, floor.seq + GIVEN_BACK_MAX);
    this.parts.giveBack(oldest, last, now);
    this.floor = floorOf(now);
  }
}

function floorOf({ ackFloorSeq, deliveredSeq }: ConsumerState): Floor {
  return { seq: ackFloorSeq, sinceMs: performance.now(), deliveredSeq };
}
