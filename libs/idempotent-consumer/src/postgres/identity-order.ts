/**
 * Messages in the order of their identity. All batches take their locks in this order, so that two that overlap cannot
 * deadlock, and repeats of one id stand side by side.
 */
import type { Message } from '../delivery.js';

/** @returns those whose sequence is in `seqs`, then the others, both in the order given */
export function divide<E>(
  messages: readonly Message<E>[],
  seqs: ReadonlySet<number>,
): [Message<E>[], Message<E>[]] {
  const [inside, outside]: [Message<E>[], Message<E>[]] = [[], []];
  for (const message of messages) (seqs.has(message.delivery.seq) ? inside : outside).push(message);
  return [inside, outside];
}

/** By topic, id and sequence; topics are few, so they are told apart once and not in every comparison. */
export function sortedByIdentity<E>(messages: readonly Message<E>[]): Message<E>[] {
  const topics = new Map<string, Message<E>[]>();
  for (const message of messages) {
    const those = topics.get(message.topic);
    if (those) those.push(message);
    else topics.set(message.topic, [message]);
  }
  const sorted = [...topics].sort(([a], [b]) => compare(a, b)).map(([, those]) => those);
  for (const those of sorted)
    those.sort((a, b) => compare(a.eventId, b.eventId) || a.delivery.seq - b.delivery.seq);
  return sorted.flat();
}

/** Of messages sorted by identity, the first of each, and those behind it: inserted plainly, an id may not occur twice. */
export function firstsAndRepeats<E>(messages: readonly Message<E>[]): [Message<E>[], Message<E>[]] {
  const [firsts, repeats]: [Message<E>[], Message<E>[]] = [[], []];
  for (const [position, message] of messages.entries())
    (isSameEvent(message, messages[position - 1]) ? repeats : firsts).push(message);
  return [firsts, repeats];
}

/** Of messages sorted by identity, those that repeat one before them where no one before them was claimed. */
export function repeatsOfUnclaimed<E>(
  messages: readonly Message<E>[],
  claimed: ReadonlySet<number>,
): Message<E>[] {
  let [first] = messages;
  return messages.filter((message) => {
    if (!isSameEvent(message, first)) first = message;
    return message !== first && !claimed.has(first?.delivery.seq ?? 0);
  });
}

function isSameEvent(message: Message<unknown>, other: Message<unknown> | undefined): boolean {
  return other?.eventId === message.eventId && other.topic === message.topic;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
