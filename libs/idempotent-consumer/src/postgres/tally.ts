import type { Message, PoisonMessage } from '../delivery.js';
import type { Outcome } from '../outcome.js';

/** What a batch adds to the counters of one topic. `duplicates` includes `conflicts`. */
export interface Tally {
  readonly topic: string;
  stored: number;
  duplicates: number;
  conflicts: number;
  deadLetters: number;
  /** Messages that were decided at a later delivery than their first. */
  redelivered: number;
}

/** What has been counted before, or will be when it is decided. */
const UNCOUNTED: ReadonlySet<Outcome['kind']> = new Set(['already-processed', 'retry', 'parked']);

/** Sums outcomes by topic, sorted by topic. A message that was already processed adds to no sum. */
export function tally<E>(
  batch: { readonly messages: readonly Message<E>[]; readonly poison: readonly PoisonMessage[] },
  outcomes: ReadonlyMap<number, Outcome>,
): Tally[] {
  const rows = new Map<string, Tally>();
  for (const { topic, delivery } of [...batch.messages, ...batch.poison]) {
    const outcome = outcomes.get(delivery.seq);
    if (outcome === undefined || UNCOUNTED.has(outcome.kind)) continue;
    let row = rows.get(topic);
    if (row === undefined) {
      row = { topic, stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0, redelivered: 0 };
      rows.set(topic, row);
    }
    if (outcome.kind === 'stored') row.stored++;
    if (outcome.kind === 'duplicate') row.duplicates++;
    if (outcome.kind === 'duplicate' && outcome.conflict) row.conflicts++;
    if (outcome.kind === 'dead-letter') row.deadLetters++;
    if (delivery.deliveryCount > 1) row.redelivered++;
  }
  return [...rows.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
}
