import { readBigints } from '#postgres';
import type { Delivery, PoisonMessage } from '../delivery.js';
import type { Transaction } from '../effect.js';
import type { Outcome } from '../outcome.js';
import { ForeignSequenceError } from './foreign-sequence.js';
import type { InboxStatements } from './inbox-statements.js';

/**
 * Records dead letters in the transaction that decides on them, and sets their outcomes. One that was
 * recorded before is already processed.
 *
 * @throws `ForeignSequenceError` when another message was processed under one of the sequences
 */
export async function recordDeadLetters(
  transaction: Transaction,
  statements: InboxStatements,
  poison: readonly PoisonMessage[],
  outcomes: Map<number, Outcome>,
): Promise<void> {
  if (poison.length === 0) return;
  const { rows } = await transaction.query<{ seq: number }>(statements.recordDeadLetters, [
    transaction.streamId,
    poison.map(({ delivery }) => delivery.seq),
    poison.map(({ topic }) => topic),
    poison.map(({ eventId }) => (eventId === undefined ? null : storableText(eventId))),
    poison.map(({ delivery }) => storableText(delivery.subject)),
    poison.map(({ reason }) => storableText(reason)),
    poison.map(({ detail }) => storableText(detail)),
    poison.map(({ delivery }) => delivery.headersText() ?? null),
    poison.map(({ delivery }) => Buffer.from(delivery.data)),
    poison.map(({ delivery }) => delivery.deliveryCount),
    poison.map(({ delivery }) => delivery.publishedAt.toISOString()),
  ]);
  const recorded = new Set(rows.map((row) => row.seq));
  const known = poison.map(({ delivery }) => delivery).filter(({ seq }) => !recorded.has(seq));
  await refuseForeign(transaction, statements, known);
  for (const { delivery, reason } of poison) {
    outcomes.set(
      delivery.seq,
      recorded.has(delivery.seq) ? { kind: 'dead-letter', reason } : { kind: 'already-processed' },
    );
  }
}

async function refuseForeign(
  transaction: Transaction,
  statements: InboxStatements,
  known: readonly Delivery[],
): Promise<void> {
  if (known.length === 0) return;
  const { rows } = await transaction.query<{ foreign: string | null }>(statements.foreignDeadLetters, [
    transaction.streamId,
    known.map(({ seq }) => seq),
    known.map(({ publishedAt }) => publishedAt.toISOString()),
  ]);
  const foreign = rows[0]?.foreign ?? null;
  if (foreign !== null) throw new ForeignSequenceError(readBigints(foreign));
}

/**
 * Makes a description storable: Postgres accepts neither NUL nor half surrogate pairs, so they are replaced.
 */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD').slice(0, 4_000);
}
