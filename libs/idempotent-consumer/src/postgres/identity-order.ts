import type { Message } from '../delivery.js';

/**
 * Divides messages. @returns those whose sequence is in `seqs`, and then the others, both in the order given
 */
export function divide<E>(
  messages: readonly Message<E>[],
  seqs: ReadonlySet<number>,
): [Message<E>[], Message<E>[]] {
  const [inside, outside]: [Message<E>[], Message<E>[]] = [[], []];
  for (const message of messages) (seqs.has(message.delivery.seq) ? inside : outside).push(message);
  return [inside, outside];
}

/**
 * Sorts messages by topic, id and sequence. All batches take their locks in this order, so overlapping
 * batches cannot deadlock, and repeats of one id are next to each other.
 *
 * Topics are few, so messages are grouped by topic first, and topics are not compared again for each pair.
 */
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

/**
 * Divides messages that are sorted by identity: the first of each id, and the repeats. A plain insert allows
 * an id only once.
 */
export function firstsAndRepeats<E>(messages: readonly Message<E>[]): [Message<E>[], Message<E>[]] {
  const [firsts, repeats]: [Message<E>[], Message<E>[]] = [[], []];
  for (const [position, message] of messages.entries())
    (isSameEvent(message, messages[position - 1]) ? repeats : firsts).push(message);
  return [firsts, repeats];
}

/** Sorts messages by their sequences. */
export function inStreamOrder<E>(messages: readonly Message<E>[]): Message<E>[] {
  return [...messages].sort((a, b) => a.delivery.seq - b.delivery.seq);
}

/** Whether two messages have the same id. */
export function isSameEvent(message: Message<unknown>, other: Message<unknown> | undefined): boolean {
  return other?.eventId === message.eventId && other.topic === message.topic;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
