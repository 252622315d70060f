import type { EventOutcome, NotTakenReason } from '../producer/event-publisher.js';
import type { OutboxRow } from './outbox-row.js';

/** What became of rows. */
export interface Sent {
  readonly taken: OutboxRow[];
  readonly refused: { readonly row: OutboxRow; readonly reason: NotTakenReason }[];
  /** Not sent, because one before of their topic was not taken. */
  readonly behind: OutboxRow[];
  /** Why others were not taken, and are to be tried again. */
  reason?: NotTakenReason;
}

/** The outcome of an event that was not sent. */
export const UNSENT: EventOutcome = { status: 'refused', eventId: '', reason: 'stopping', retryable: true };

/** Sorts rows by their outcomes. */
export function sentOf(rows: readonly OutboxRow[], outcomes: readonly EventOutcome[]): Sent {
  const sent: Sent = { taken: [], refused: [], behind: [] };
  for (const [index, row] of rows.entries()) {
    const outcome = outcomes[index] ?? UNSENT;
    if ('seq' in outcome) sent.taken.push(row);
    else if (outcome.reason === 'behind') sent.behind.push(row);
    else if (outcome.status === 'refused' && !outcome.retryable)
      sent.refused.push({ row, reason: outcome.reason });
    else sent.reason ??= outcome.reason;
  }
  return sent;
}
