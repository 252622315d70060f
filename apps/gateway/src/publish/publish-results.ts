/** The outcomes of events in the form of an answer. */
import type { PublishOutcome, UnavailableReason } from '#broker';
import type { Problem, PublishResult } from '#contracts';
import { problem, type AnswerHeaders } from '../problems/problem-error.js';
import type { Checked } from './publish-request.js';

type ValidEvent = Extract<Checked, { valid: true }>;

/** What each reason means to the client. */
export const WHY: Readonly<Record<UnavailableReason, string>> = {
  busy: 'too many events wait for the brokers; send it again',
  stream_full: 'the stream is full; send it again when there is room',
  no_answer: 'the brokers did not take it in time; send it again with the same id',
  too_large: 'the brokers refuse a message of this size, and would always do so',
  refused: 'the brokers refuse this gateway; an operator has to repair that',
  stopping: 'this gateway is stopping; send it again with the same id',
};

/** When to send the events again. */
const RETRY_AFTER_SECONDS: Readonly<Record<UnavailableReason, number>> = {
  busy: 1,
  stream_full: 10,
  no_answer: 3,
  too_large: 60,
  refused: 60,
  stopping: 1,
};

/** The longest time of the reasons, as a header; none where sending the events again cannot succeed. */
export function retryAfter(reasons: readonly UnavailableReason[]): AnswerHeaders {
  if (isFinal(reasons)) return {};
  return { 'retry-after': String(Math.max(...reasons.map((reason) => RETRY_AFTER_SECONDS[reason]))) };
}

/**
 * Whether it would always fail again. Brokers that refuse an event for another reason than its size refuse the gateway
 * rather than the event: its rights are wrong, or the stream is sealed. That can be mended, so it is tried again later.
 */
export function isFinal(reasons: readonly UnavailableReason[]): boolean {
  return reasons.length > 0 && reasons.every((reason) => reason === 'too_large');
}

/** The refusal of events that were not published: 503, or 413 where sending them again cannot succeed. */
export function notPublishedProblem(
  reasons: readonly UnavailableReason[],
  detail: string,
  members: Readonly<Record<string, unknown>> = {},
): Problem {
  return isFinal(reasons)
    ? problem('too-large', 413, detail, members)
    : problem('not-published', 503, detail, members);
}

/** The result of a valid event. @param index of the event in its request */
export function publishedResult(event: ValidEvent, index: number, outcome: PublishOutcome): PublishResult {
  const { topic, eventId: event_id, idOrigin: id_origin, topicName: topic_name } = event;
  const names = {
    index,
    topic,
    event_id,
    ...(id_origin !== undefined && { id_origin }),
    ...(topic_name !== undefined && { topic_name }),
  };
  if (outcome.status !== 'unavailable') return { ...names, status: outcome.status, seq: outcome.seq };
  return {
    ...names,
    status: 'unavailable',
    errors: [{ field: 'event', message: WHY[outcome.reason] }],
  };
}

/** The result of an event that is not valid. */
export function invalidResult(event: Checked, index: number): PublishResult {
  return { index, ...namesOf(event), status: 'invalid', errors: event.valid ? [] : event.errors };
}

function namesOf({ topic, eventId }: Checked): { topic?: string; event_id?: string } {
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(eventId === undefined ? {} : { event_id: eventId }),
  };
}
