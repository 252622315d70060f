/**
 * Finds out about a session what no status message says.
 *
 *   look ─gone, made again, of another history, messages wait─▶ the session is lost
 *     └─the oldest delivery stays unsettled─▶ it is given back in the name of whoever had it, and delivered again
 *
 * The broker delivers again what nobody settled within the ack wait, by its own clock. A clock that is put back at the
 * consumer's leader makes it wait for as long again, and only a nak ends that. The nak needs no more than the right to
 * settle. What another worker still holds may come twice then, which the inbox knows.
 */
import { historyDoubt } from '../delivery-check.js';
import type { ConsumerSight } from './durable-consumer.js';

/** The session, as far as it is watched. */
export interface WatchedSession {
  /** Milliseconds since a delivery came, while some were asked for. */
  readonly quietMs: number;
  /** When, by the clock of `performance`, a delivery came last, or some were asked for after a pause. */
  readonly deliveredMs: number;
  /** Deliveries asked for that have not come yet. */
  readonly requested: number;
  lose(reason: string): void;
}

/** What the watchdog works with. */
export interface WatchdogParts {
  readonly session: WatchedSession;
  /** What was seen before the session. */
  readonly before: ConsumerSight;
  /** Looks at the consumer. Throws when no broker answers. */
  readonly look: () => Promise<ConsumerSight | undefined>;
  /** Whether a delivery of a sequence is here, or may be held up elsewhere for a good reason. */
  readonly isHeld: (seq: number) => boolean;
  /** Gives back deliveries that nobody settled, both ends included. */
  readonly giveBack: (firstSeq: number, lastSeq: number, sight: ConsumerSight) => void;
  /** Deliveries come: the broker answers. */
  readonly onFlow: () => void;
}

/** While deliveries come, or none does though some are asked for; else by the ack wait. */
const LOOK_EVERY_MS = 2_000;
/** Quiet for so long although messages wait: the session is dead without having said so. */
const STALLED_MS = 4_000;
/** Longer than two ack waits by so much: every worker that lives has said so of what it holds, or it came again. */
const STUCK_MARGIN_MS = 5_000;
const GIVEN_BACK_MAX = 20_000;

/** How far everything was settled, since when, and what had been delivered by then. */
interface Floor {
  readonly seq: number;
  readonly sinceMs: number;
  readonly deliveredSeq: number;
}

/** See the head of this file. One per session; stop it with the session. */
export class Watchdog {
  private readonly timer: NodeJS.Timeout;
  private floor: Floor;
  private lookedMs = performance.now();
  private looking = false;

  constructor(private readonly parts: WatchdogParts) {
    this.floor = floorOf(parts.before);
    this.timer = setInterval(() => void this.watch(), LOOK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async watch(): Promise<void> {
    const { session, before } = this.parts;
    const isQuiet = session.quietMs >= STALLED_MS;
    if (!isQuiet && session.requested > 0) this.parts.onFlow();
    // What came since may be of another history, and is stored until that is noticed.
    const isNew = session.deliveredMs >= this.lookedMs;
    const isDue = performance.now() - this.lookedMs >= before.ackWaitMs / 2;
    if (this.looking || (!isQuiet && !isNew && !isDue)) return;
    this.looking = true;
    this.lookedMs = performance.now();
    try {
      this.judge(await this.parts.look());
    } catch (error) {
      // While deliveries come, nothing is doubted because of one question.
      if (isQuiet) session.lose(error instanceof Error ? error.message : String(error));
    } finally {
      this.looking = false;
    }
  }

  private judge(now: ConsumerSight | undefined): void {
    const { session, before } = this.parts;
    const changed = now && historyDoubt(before, now);
    if (!now) session.lose('the consumer is gone');
    else if (changed !== undefined) session.lose(changed);
    else if (now.pending > 0 && session.quietMs >= STALLED_MS)
      session.lose('messages wait, none is delivered');
    else this.freeWhatIsStuck(now);
  }

  private freeWhatIsStuck(now: ConsumerSight): void {
    const { floor } = this;
    if (now.ackPending === 0 || now.ackFloorSeq !== floor.seq) {
      this.floor = floorOf(now);
      return;
    }
    const oldest = floor.seq + 1;
    const isOverdue = performance.now() - floor.sinceMs >= 2 * now.ackWaitMs + STUCK_MARGIN_MS;
    if (!isOverdue || oldest > floor.deliveredSeq || this.parts.isHeld(oldest)) return;
    // What was delivered since then has its time still to come.
    const last = Math.min(floor.deliveredSeq, floor.seq + GIVEN_BACK_MAX);
    this.parts.giveBack(oldest, last, now);
    this.floor = floorOf(now);
  }
}

function floorOf({ ackFloorSeq, deliveredSeq }: ConsumerSight): Floor {
  return { seq: ackFloorSeq, sinceMs: performance.now(), deliveredSeq };
}
