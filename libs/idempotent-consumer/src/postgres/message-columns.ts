/** The columns of messages, as statements take them. */
import { bigintColumn, textColumn, timestampColumn } from '#postgres';
import type { Message } from '../delivery.js';
import type { Transaction } from '../effect.js';

/** Topics, ids and sequences, as the first three arrays of a statement. */
export function identityColumns(messages: readonly Message<unknown>[]): Buffer[] {
  return [
    textColumn(messages.map((message) => message.topic)),
    textColumn(messages.map((message) => message.eventId)),
    seqColumn(messages),
  ];
}

/** Sequences, as an array of a statement. */
export function seqColumn(messages: readonly Message<unknown>[]): Buffer {
  return bigintColumn(messages.map((message) => message.delivery.seq));
}

/** Publishing times, as an array of a statement. */
export function publishedColumn(messages: readonly Message<unknown>[]): Buffer {
  return timestampColumn(messages.map((message) => message.delivery.publishedAt.getTime()));
}

/** The smallest and the largest sequence of at least one message. */
export function seqBounds(messages: readonly Message<unknown>[]): [min: number, max: number] {
  let [min, max] = [Infinity, -Infinity];
  for (const { delivery } of messages) {
    if (delivery.seq < min) min = delivery.seq;
    if (delivery.seq > max) max = delivery.seq;
  }
  return [min, max];
}

/** The first parameters of a claim, and of the statement about ids that were not claimed. */
export function claimColumns({ streamId }: Transaction, messages: readonly Message<unknown>[]): unknown[] {
  return [streamId, ...identityColumns(messages), bigintColumn(messages.map((message) => message.digest))];
}
