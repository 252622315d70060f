import type { Poison } from '../workload/message.js';
import {
  REASON_OF,
  type Account,
  type AuditOpinion,
  type GatewayFigures,
  type Surroundings,
  type TopicCounters,
} from './evidence.js';
import { Identities } from './identities.js';
import { Sequences } from './sequences.js';
import { Violations } from './violations.js';

/** Where evidence comes from. What could not be read from there does not count against the system. */
export type Source = 'history' | 'stream' | 'database' | 'figures' | 'audit';

/** Counts of the history. */
export interface HistoryTally {
  sent: number;
  operations: number;
  ok: number;
  fail: number;
  info: number;
  poison: number;
}

/** Rows of one topic. */
export interface TopicRows {
  stored: number;
  duplicates: number;
  conflicts: number;
  deadLetters: number;
}

/** An acknowledgement with a sequence that the stream never had. */
export interface StrayAcknowledgement {
  readonly seq: number;
  readonly identity: number;
  readonly poison: boolean;
}

const KINDS = Object.keys(REASON_OF) as Poison[];

/** Kinds of poison as numbers from 1 on, so that 0 means none. */
export function poisonNumber(poison: Poison): number {
  return KINDS.indexOf(poison) + 1;
}

/** The bit of a kind of poison, given as its number. */
export function poisonBit(number: number): number {
  return 1 << (number - 1);
}

/** The kinds whose bits are set. */
export function poisonKinds(bits: number): Poison[] {
  return KINDS.filter((_, index) => (bits & (1 << index)) !== 0);
}

/** The evidence of one run, as far as the judgement needs it, with the violations found up to now. */
export class CaseFile {
  readonly identities = new Identities();
  readonly sequences: Sequences;
  readonly violations = new Violations();
  readonly tally: HistoryTally = { sent: 0, operations: 0, ok: 0, fail: 0, info: 0, poison: 0 };
  readonly rowsByTopic = new Map<string, TopicRows>();
  readonly strays: StrayAcknowledgement[] = [];
  readonly counters: TopicCounters[] = [];
  readonly accounts: Account[] = [];
  readonly figures: GatewayFigures[] = [];
  /** In the order in which they were met: the index is the number of a reason. */
  readonly reasons: string[] = [];
  audit: AuditOpinion | undefined;
  private readonly gaps = new Map<Source, { readonly first: string; more: number }>();

  constructor(readonly surroundings: Surroundings) {
    this.sequences = new Sequences(surroundings.firstSeq, surroundings.lastSeq);
  }

  /** Notes that something could not be read. */
  miss(source: Source, why: string): void {
    const known = this.gaps.get(source);
    if (known === undefined) this.gaps.set(source, { first: why, more: 0 });
    else known.more++;
  }

  /** Whether everything from there was read. */
  isWhole(source: Source): boolean {
    return !this.gaps.has(source);
  }

  /** What could not be read, one line each. */
  missing(): string[] {
    return [...this.gaps].map(
      ([source, { first, more }]) => `${source}: ${first}${more > 0 ? ` (and ${more} more)` : ''}`,
    );
  }

  rowsOf(topic: string): TopicRows {
    let rows = this.rowsByTopic.get(topic);
    if (rows === undefined) {
      rows = { stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 };
      this.rowsByTopic.set(topic, rows);
    }
    return rows;
  }

  /** The rows of all topics. */
  allRows(): TopicRows {
    const sum: TopicRows = { stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 };
    for (const rows of this.rowsByTopic.values()) {
      sum.stored += rows.stored;
      sum.duplicates += rows.duplicates;
      sum.conflicts += rows.conflicts;
      sum.deadLetters += rows.deadLetters;
    }
    return sum;
  }

  /** The number of a reason. */
  reasonNumber(reason: string): number {
    const known = this.reasons.indexOf(reason);
    return known >= 0 ? known : this.reasons.push(reason) - 1;
  }
}
