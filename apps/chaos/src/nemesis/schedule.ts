/**
 * When each fault happens. The plan is drawn from a seed before the run, so that the same seed gives the same run.
 *
 * The faults are a deck of cards: each is drawn once before any comes again. Two lanes draw from the same deck, so up
 * to two faults hold at once, but never two that touch the same part. The plan is an intention: after a healing that
 * takes longer than planned, later faults wait (nemesis.ts).
 */
import { Random } from '../workload/random.js';
import type { Fault } from './fault.js';

const LANES = 2;
const GAP_MS = [1_500, 6_000] as const;
/** Before the first fault, because messages have to flow first. */
const LEAD_MS = 2_000;
/** The usual duration of a healing. */
const HEAL_ALLOWANCE_MS = 4_000;

/** What the plan needs to know of a fault. */
export type Schedulable = Pick<Fault, 'name' | 'touches' | 'holdMs'>;

/** One intended fault. Times are milliseconds since the load began. */
export interface PlannedFault {
  readonly name: string;
  readonly startAtMs: number;
  /** From its taking hold to its healing. */
  readonly holdMs: number;
  /** The seed for choices of the fault itself, such as its victim. */
  readonly seed: number;
}

/** The parameters of a plan. */
export interface ScheduleOptions {
  readonly seed: number;
  readonly faults: readonly Schedulable[];
  /** Every fault is to be healed before this. */
  readonly durationMs: number;
  /** Between two faults of one lane. Default 1.5 to 6 s. */
  readonly gapMs?: readonly [min: number, max: number];
  /** Faults at once, at most. Default 2. */
  readonly lanes?: number;
}

interface Busy {
  readonly fault: Schedulable;
  readonly untilMs: number;
}

/** Draws the plan, in the order of starts. It is empty when there is no fault, or no time for one. */
export function planFaults(options: ScheduleOptions): readonly PlannedFault[] {
  const { seed, faults, durationMs, gapMs = GAP_MS, lanes = LANES } = options;
  const random = new Random(seed);
  const deck = new Deck(faults, random);
  const busy: (Busy | undefined)[] = Array.from({ length: lanes }, () => undefined);
  const freeAtMs = busy.map(() => LEAD_MS + random.between(0, gapMs[1]));
  const plan: PlannedFault[] = [];
  while (faults.length > 0) {
    const lane = earliest(freeAtMs);
    const startAtMs = freeAtMs[lane] as number;
    if (startAtMs >= durationMs) break;
    const others = busy.filter((one, index) => index !== lane && (one?.untilMs ?? 0) > startAtMs) as Busy[];
    const fault = deck.draw((one) => others.every((other) => isDisjoint(one, other.fault)));
    if (fault === undefined) {
      // All remaining faults disturb the parts of running ones, so this lane waits for the first of them to end.
      freeAtMs[lane] = Math.min(...others.map((other) => other.untilMs)) + random.between(...gapMs);
      continue;
    }
    const holdMs = random.between(...fault.holdMs);
    const untilMs = startAtMs + holdMs + HEAL_ALLOWANCE_MS;
    freeAtMs[lane] = untilMs + random.between(...gapMs);
    if (untilMs > durationMs) continue;
    busy[lane] = { fault, untilMs };
    plan.push({ name: fault.name, startAtMs, holdMs, seed: random.between(0, 0xffff_ffff) });
  }
  return plan.sort((one, other) => one.startAtMs - other.startAtMs);
}

/** Whether two faults may hold at once. */
export function isDisjoint(one: Pick<Fault, 'touches'>, other: Pick<Fault, 'touches'>): boolean {
  return !one.touches.some((part) => other.touches.includes(part));
}

/** Draws without putting back; shuffled again when it is used up. */
class Deck {
  private cards: Schedulable[] = [];

  constructor(
    private readonly all: readonly Schedulable[],
    private readonly random: Random,
  ) {}

  /** The topmost card that fits; undefined when none of the remaining ones does. */
  draw(fits: (card: Schedulable) => boolean): Schedulable | undefined {
    if (this.cards.length === 0) this.cards = this.random.shuffle(this.all);
    const index = this.cards.findIndex(fits);
    return index < 0 ? undefined : this.cards.splice(index, 1)[0];
  }
}

function earliest(timesMs: readonly number[]): number {
  return timesMs.indexOf(Math.min(...timesMs));
}
