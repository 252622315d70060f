import type { Decoder, Delivery, Message, PoisonMessage } from './delivery.js';
import type { Batch } from './batch-inbox.js';
import { failureOf } from './handler-error.js';
import type { Failure, Outcome } from './outcome.js';

/** A part of a batch that took too long gets this share of the time that it took, at least `PART_MS_MIN`. */
const SHARE_OF_SLOW = 8;
const PART_MS_MIN = 100;

export const IGNORED: Outcome = { kind: 'ignored' };

/** Decodes deliveries. @returns messages, poison, and the sequences of those that are ignored */
export function readBatch<E>(
  decode: Decoder<E>,
  deliveries: readonly Delivery[],
): Batch<E> & { readonly ignored: readonly number[] } {
  const messages: Message<E>[] = [];
  const poison: PoisonMessage[] = [];
  const ignored: number[] = [];
  for (const delivery of eachSequenceOnce(deliveries)) {
    const decoded = decode(delivery);
    if (decoded.ok) messages.push(decoded.message);
    else if ('poison' in decoded) poison.push(decoded.poison);
    else ignored.push(delivery.seq);
  }
  return { messages, poison, ignored };
}

/** Returns the sequences of a batch. */
export function sequencesOf({ messages, poison }: Batch<unknown>): number[] {
  return [...messages, ...poison].map(({ delivery }) => delivery.seq);
}

/** Returns the sequences that may have failed before. Their attempt counts are cleared with their outcome. */
export function redelivered({ messages, poison }: Batch<unknown>): number[] {
  const seqs: number[] = [];
  for (const { delivery } of messages) if (delivery.deliveryCount > 1) seqs.push(delivery.seq);
  for (const { delivery } of poison) if (delivery.deliveryCount > 1) seqs.push(delivery.seq);
  return seqs;
}

/**
 * Divides a batch into two halves, and a part for the messages that cannot be read.
 *
 * @param culprit the sequence at fault, if it is known; it becomes a part of its own
 */
export function partsOf<E>({ messages, poison, ...rest }: Batch<E>, culprit: number | undefined): Batch<E>[] {
  const isCulprit = ({ delivery }: Message<E>): boolean => delivery.seq === culprit;
  const others = culprit === undefined ? messages : messages.filter((message) => !isCulprit(message));
  const middle = Math.ceil(others.length / 2);
  const parts = [messages.filter(isCulprit), others.slice(0, middle), others.slice(middle)];
  return [
    ...parts.map((part) => ({ ...rest, messages: part, poison: [] })),
    { ...rest, messages: [], poison },
  ].filter((part) => part.messages.length + part.poison.length > 0);
}

/** The time limit of each transaction of a part, after the whole batch failed; `undefined` is the usual one. */
export function partMsMaxAfter({ error, afterMs }: Failure): number | undefined {
  if (failureOf(error) !== 'timeout') return undefined;
  return Math.max(PART_MS_MIN, Math.round(afterMs / SHARE_OF_SLOW));
}

/** Returns up to `count` items, each once, in random order. */
export function atRandom<T>(all: readonly T[], count: number): T[] {
  const left = [...all];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0)
    taken.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return taken;
}

/** Of two deliveries of one message in a batch the first decides; both are answered. */
function eachSequenceOnce(deliveries: readonly Delivery[]): readonly Delivery[] {
  // Ascending sequences, the usual case, need no set.
  const isAscending = deliveries.every(({ seq }, position) => seq > (deliveries[position - 1]?.seq ?? -1));
  if (isAscending) return deliveries;
  const seen = new Set<number>();
  return deliveries.filter(({ seq }) => !seen.has(seq) && seen.add(seq));
}
