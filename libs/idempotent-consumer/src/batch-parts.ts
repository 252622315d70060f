/** What is asked of a batch and its parts while it is taken to its outcomes. */
import type { Delivery } from './delivery.js';
import type { Batch } from './postgres/inbox.js';

/** The sequences of a batch. */
export function sequencesOf({ messages, poison }: Batch<unknown>): number[] {
  return [...messages, ...poison].map(({ delivery }) => delivery.seq);
}

/** Those that may have failed before: the count of their attempts ends with their outcome. */
export function redelivered({ messages, poison }: Batch<unknown>): number[] {
  const seqs: number[] = [];
  for (const { delivery } of messages) if (delivery.deliveryCount > 1) seqs.push(delivery.seq);
  for (const { delivery } of poison) if (delivery.deliveryCount > 1) seqs.push(delivery.seq);
  return seqs;
}

/** Some of them, each once, in no order. */
export function atRandom<T>(all: readonly T[], count: number): T[] {
  const left = [...all];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0)
    taken.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return taken;
}

/** Of those delivered twice into one batch the first decides; both are answered. */
export function eachSequenceOnce(deliveries: readonly Delivery[]): readonly Delivery[] {
  // Mostly they come in order, and can be told apart without being remembered.
  const isAscending = deliveries.every(({ seq }, position) => seq > (deliveries[position - 1]?.seq ?? -1));
  if (isAscending) return deliveries;
  const seen = new Set<number>();
  return deliveries.filter(({ seq }) => !seen.has(seq) && seen.add(seq));
}
