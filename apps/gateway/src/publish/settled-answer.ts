/**
 * The answer to a publish whose client waits for the outcomes: `Prefer: wait=<seconds>` (RFC 7240).
 *
 *   every outcome is known ─▶ 200
 *   the time is up ─────────▶ 202, with the outcomes so far, and `pending` for the others
 *   too many wait already ──▶ 202 at once, without `Preference-Applied` and without outcomes
 *
 * A repeat that the brokers dropped has the outcome of the message that they have in its place. If that one was stored,
 * the repeat is its duplicate. If it was a conflict, the repeat is one as well, because the message ids of gateways
 * contain a digest of the payload. While the first one is in flight, both are pending.
 */
import type { FastifyReply } from 'fastify';
import type { PublishedOutcome, PublishResponse, PublishResult } from '#contracts';
import type { SentEvent, SettledOutcome } from '#store';
import { clientOf } from '../client-address.js';
import type { AnswerHeaders } from '../problems/problem-error.js';
import type { OutcomeWatch } from './outcome-watch.js';

/** An answer about events that the brokers have. */
export interface PublishAnswer {
  readonly body: PublishResponse;
  readonly headers: AnswerHeaders;
}

/** A longer wait is cut to this. */
const WAIT_SECONDS_MAX = 30;
const APPLIED = 'preference-applied';
const WAIT = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(;|$)/i;

/**
 * The seconds that a `Prefer` header asks to wait, at most 30.
 *
 * @returns 0 when it does not ask for it
 */
export function waitSeconds(header: string | undefined): number {
  if (header === undefined) return 0;
  for (const preference of header.split(',')) {
    const seconds = WAIT.exec(preference)?.[1];
    // Of a preference that is repeated, the first one counts.
    if (seconds !== undefined) return Math.min(Number(seconds), WAIT_SECONDS_MAX);
  }
  return 0;
}

/** Completes answers with the outcomes of their events. */
export class SettledAnswer {
  constructor(private readonly watch: Pick<OutcomeWatch, 'outcomes'>) {}

  /**
   * Waits for the outcomes, if the client asks for them.
   *
   * @param prefer the header of this name
   * @param reply to the client, which ends the wait when it goes
   * @returns the answer with its status
   */
  async complete(
    answer: PublishAnswer,
    prefer: string | undefined,
    reply: FastifyReply,
  ): Promise<PublishAnswer & { readonly status: 200 | 202 }> {
    const seconds = waitSeconds(prefer);
    if (seconds === 0) return { status: 202, ...answer };
    const sent = answer.body.results.flatMap(sentEvent);
    const client = reply.request.access?.keyId ?? clientOf(reply.request.ip);
    const outcomes = await this.watch.outcomes(sent, client, seconds * 1_000, goneSignal(reply));
    if (outcomes === undefined) return { status: 202, ...answer };
    const body = withOutcomes(answer.body, outcomes);
    const applied = [answer.headers[APPLIED], `wait=${seconds}`].filter((one) => one !== undefined);
    return {
      status: body.outcomes?.pending === 0 ? 200 : 202,
      body,
      headers: { ...answer.headers, [APPLIED]: applied.join(', ') },
    };
  }
}

function withOutcomes(
  body: PublishResponse,
  settled: readonly (SettledOutcome | undefined)[],
): PublishResponse {
  const outcomes: Record<PublishedOutcome, number> = {
    stored: 0,
    duplicate: 0,
    conflict: 0,
    dead_letter: 0,
    pending: 0,
  };
  const { rejected, results: unsettled, ...figures } = body;
  let at = 0;
  const results = unsettled.map((result) => {
    if (sentEvent(result).length === 0) return result;
    const known = outcomeMembers(result, settled[at++]);
    outcomes[known.outcome] += 1;
    return { ...result, ...known };
  });
  return { ...figures, outcomes, rejected, results };
}

function outcomeMembers(
  { status, seq }: PublishResult,
  settled: SettledOutcome | undefined,
): Pick<PublishResult, 'first_seq' | 'reason'> & { readonly outcome: PublishedOutcome } {
  if (settled === undefined) return { outcome: 'pending' };
  if (settled.outcome === 'stored') {
    // The brokers dropped this one, and the sequence is that of the first.
    return status === 'duplicate' && seq !== undefined
      ? { outcome: 'duplicate', first_seq: seq }
      : { outcome: 'stored' };
  }
  if (settled.outcome === 'dead_letter') return settled;
  return { outcome: settled.outcome, first_seq: settled.firstSeq };
}

/** The event of a result, if the brokers have it. */
function sentEvent({ topic, event_id: eventId, seq }: PublishResult): SentEvent[] {
  return topic === undefined || eventId === undefined || seq === undefined ? [] : [{ topic, eventId, seq }];
}

/** Aborts when the connection of a request is closed. */
function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  if (raw.destroyed) gone.abort();
  else
    raw.once('close', () => {
      gone.abort();
    });
  return gone.signal;
}
