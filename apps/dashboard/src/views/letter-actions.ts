/**
 * Replays and drops of dead letters, one by one or all that match a filter.
 *
 * What matches is counted first, by a dry run. The action then has the time of that count as its bound, so it never
 * acts on more than was named. An action that ends half-way is safe to repeat: what was done is no longer open.
 */
import type { DeadLetterBulkResult, DeadLetterResult } from '#contracts';
import { ask, failureText, type Answer } from '../gateway-client.js';

/** What is done. */
export type ActionKind = 'replay' | 'drop';

/** A filter of the gateway, which only selects what is open or replaying. */
export type ActionFilter = Readonly<Record<string, string>>;

/** What was done. */
export interface Done {
  readonly kind: ActionKind;
  readonly counts: Readonly<Record<string, number>>;
  /** Results that leave something to do. */
  readonly left: readonly DeadLetterResult[];
  /** Why it ended before its end. */
  readonly failure: string | undefined;
}

/** Is called with the number of dead letters so far. */
export type Progress = (done: number) => void;

const LIMIT = 500;
const LEFT_MAX = 50;
const BUSY_TRIES_MAX = 10;
const BUSY_MS = 1_000;
const BULK_MS_MAX = 120_000;
const LEAVES_SOMETHING: ReadonlySet<DeadLetterResult['status']> = new Set([
  'not_replayable',
  'unavailable',
  'refused',
]);

/** What a status means, for people. */
export const MEANINGS: Readonly<Record<string, string>> = {
  published: 'published again',
  in_flight: 'published before, not decided yet',
  stored: 'stored before',
  duplicate: 'a duplicate before',
  dropped: 'dropped',
  possible: 'can be done',
  not_replayable: 'not an event: mend it',
  unavailable: 'not published: try again',
  refused: 'refused',
};

/** The time of the gateway, to the second. The clock of this machine may be wrong. */
export async function gatewayTime(): Promise<string> {
  const answer = await ask<object>('/health/live');
  const date = answer.kind === 'value' ? answer.headers.get('date') : null;
  return new Date(date ?? Date.now()).toISOString();
}

/** Counts what an action would act on. It changes nothing. */
export async function countMatching(
  kind: ActionKind,
  filter: ActionFilter,
  progress: Progress,
): Promise<Done> {
  return actByFilter(kind, { filter, dry_run: true }, progress);
}

/** Acts on all that match. @param reason empty when none is given */
export async function actOnMatching(
  kind: ActionKind,
  filter: ActionFilter,
  reason: string,
  progress: Progress,
): Promise<Done> {
  return actByFilter(kind, { filter, ...(reason !== '' && { reason }) }, progress);
}

/** Acts on some, one after the other. */
export async function actOnEach(
  kind: ActionKind,
  ids: readonly string[],
  reason: string,
  progress: Progress,
): Promise<Done> {
  const results: DeadLetterResult[] = [];
  for (const id of ids) {
    results.push(await actOnOne(kind, id, reason === '' ? {} : { reason }));
    progress(results.length);
  }
  return doneWith(kind, results);
}

/** Acts on one. A refusal is its result. @param order the members of the request */
export async function actOnOne(kind: ActionKind, id: string, order: object): Promise<DeadLetterResult> {
  const answer = await ask<DeadLetterResult>(`/dead-letters/${encodeURIComponent(id)}/${kind}`, {
    body: order,
  });
  if (answer.kind === 'value') return answer.value;
  const isRefusal = answer.kind === 'problem' && answer.problem.status < 500;
  const needsMending = answer.kind === 'problem' && answer.problem.type.endsWith(':not-replayable');
  const status = needsMending ? 'not_replayable' : isRefusal ? 'refused' : 'unavailable';
  return { id, status, detail: failureText(answer) };
}

async function actByFilter(kind: ActionKind, order: object, progress: Progress): Promise<Done> {
  const counts: Record<string, number> = {};
  const left: DeadLetterResult[] = [];
  let cursor: string | null = null;
  let done = 0;
  do {
    const answer: Answer<DeadLetterBulkResult> = await askWhileBusy(`/dead-letters/${kind}`, {
      ...order,
      limit: LIMIT,
      cursor,
    });
    if (answer.kind !== 'value') return { kind, counts, left, failure: failureText(answer) };
    for (const [status, number] of Object.entries(answer.value.counts)) {
      counts[status] = (counts[status] ?? 0) + number;
      done += number;
    }
    left.push(
      ...answer.value.results
        .filter(({ status }) => LEAVES_SOMETHING.has(status))
        .slice(0, LEFT_MAX - left.length),
    );
    cursor = answer.value.cursor;
    progress(done);
  } while (cursor !== null);
  return { kind, counts, left, failure: undefined };
}

/** A gateway carries out one request by filter at a time, so another one may have to wait for it. */
async function askWhileBusy<T>(path: string, body: object): Promise<Answer<T>> {
  for (let tries = 1; ; tries++) {
    const answer = await ask<T>(path, { body, timeoutMs: BULK_MS_MAX });
    const isBusy = answer.kind === 'problem' && answer.problem.type.endsWith(':busy');
    if (!isBusy || tries === BUSY_TRIES_MAX) return answer;
    await new Promise((resolve) => setTimeout(() => resolve(undefined), BUSY_MS));
  }
}

function doneWith(kind: ActionKind, results: readonly DeadLetterResult[]): Done {
  const counts: Record<string, number> = {};
  for (const { status } of results) counts[status] = (counts[status] ?? 0) + 1;
  return {
    kind,
    counts,
    left: results.filter(({ status }) => LEAVES_SOMETHING.has(status)),
    failure: undefined,
  };
}
