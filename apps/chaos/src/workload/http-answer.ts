/**
 * What an answer of `POST /publish` or `POST /cloudevents`, or the lack of one, says about each message.
 *
 *   202                  accepted, duplicate → ok    invalid → fail    not named → ok (info when lenient)
 *   400, 413, 415, 422   fail: nothing of the request was published
 *   503 with results     message by message; unavailable, not named → info
 *   anything else        info
 *   connection refused   fail: not a byte of the request was sent
 */
import type { PublishResult } from '#contracts';
import type { EndedMessage } from '../history/operation.js';
import type { Message } from './message.js';
import { refused, unknown, type Answer } from './producer.js';

const REFUSED = 'ECONNREFUSED';
const REFUSED_WHOLE = new Set([400, 413, 415, 422]);

/**
 * Reads an answer.
 *
 * @param text the body, to its end
 * @param lenient whether the request asked for lenient handling
 */
export function readAnswer(
  status: number,
  text: string,
  messages: readonly Message[],
  lenient: boolean,
): Answer {
  if (REFUSED_WHOLE.has(status)) return refused(messages.length, String(status), false);
  if (status !== 202 && status !== 503) return unknown(messages.length, String(status));
  const results = resultsByIndex(text);
  // The answer to a strict request is 202 only when the brokers have all of it. A lenient one may have had invalid
  // events.
  const unnamed: EndedMessage = status === 202 && !lenient ? ['ok', 0, 0] : ['info', 0, 0];
  const ended = messages.map((message, index): EndedMessage => {
    const result = results.get(index);
    if (result === undefined) return unnamed;
    // An answer about another event says nothing about this one.
    return isOf(message, result) ? endOf(result) : ['info', 0, 0];
  });
  const isWhole = ended.every(([outcome]) => outcome === 'ok');
  return { messages: ended, refusedForNow: false, ...(isWhole ? {} : { reason: String(status) }) };
}

/** Says what a request without an answer means, from the error that `fetch` threw. */
export function readFailure(error: unknown, count: number): Answer {
  const code = failureCode(error);
  return code === REFUSED ? refused(count, code, true) : unknown(count, code);
}

function endOf({ status, seq = 0 }: PublishResult): EndedMessage {
  if (status === 'accepted') return ['ok', seq, 0];
  if (status === 'duplicate') return ['ok', seq, 1];
  return status === 'invalid' ? ['fail', 0, 0] : ['info', 0, 0];
}

/** Names are left out of a result when they are not valid. */
function isOf(message: Message, result: PublishResult): boolean {
  return (
    (result.topic ?? message.topic) === message.topic &&
    (result.event_id ?? message.eventId) === message.eventId
  );
}

function resultsByIndex(text: string): Map<number, PublishResult> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return new Map();
  }
  const results = (body as { results?: unknown } | null)?.results;
  if (!Array.isArray(results)) return new Map();
  const named = (results as (PublishResult | null)[]).filter((result) => result !== null);
  return new Map(named.map((result) => [result.index, result]));
}

/** The error that `fetch` throws, by its members: in another realm an error of Node's own is not an `Error` of ours. */
interface Failure {
  readonly name?: string;
  readonly code?: unknown;
  readonly cause?: Failure;
  readonly errors?: readonly Failure[];
}

function failureCode(thrown: unknown): string {
  const error = (thrown ?? {}) as Failure;
  if (error.name === 'TimeoutError') return 'timeout';
  const codes = causesOf(error).map(codeOf);
  // For a name with several addresses each is tried, so refused means refused by all of them.
  return codes.find((code) => code !== REFUSED) ?? codes[0] ?? codeOf(error);
}

/** A connection that tried several addresses has one error for each, and a joint one, which is left out here. */
function causesOf(error: Failure): readonly Failure[] {
  const { cause = error } = error;
  return cause.errors ?? [cause];
}

function codeOf({ code, name }: Failure): string {
  return typeof code === 'string' ? code : (name ?? 'unreadable');
}
