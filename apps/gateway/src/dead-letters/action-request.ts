/** The bodies of replays and drops. */
import { objectSpans } from '#contracts';
import type { DeadLetterFilter, DeadLetterPosition } from '#store';
import type { Access } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { jsonBodyOf } from '../publish/json-body.js';
import { readCursor } from './dead-letter-cursor.js';
import { readFilter, UNFINISHED } from './dead-letter-query.js';

/** A replay or a drop of one dead letter. */
export interface ActionOrder {
  readonly reason: string | undefined;
  /** The JSON text of an event in place of the message. */
  readonly mended: string | undefined;
  /** Whether to act although a replay has not ended, or the dead letter was dropped. */
  readonly force: boolean;
}

/** A replay or a drop by filter. */
export interface BulkOrder {
  readonly reason: string | undefined;
  readonly filter: DeadLetterFilter;
  readonly isDryRun: boolean;
  readonly limit: number;
  readonly after: DeadLetterPosition | undefined;
}

const REASON_LENGTH_MAX = 500;
const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 500;
const CONTROL_CHARACTERS = /\p{Cc}/u;

/**
 * Reads the body of a request about one dead letter. It may be left out.
 *
 * @param members those that the action knows
 * @param textLengthMax characters of the body, at most
 */
export function readActionOrder(
  body: unknown,
  members: readonly ('reason' | 'event' | 'body' | 'force')[],
  textLengthMax: number,
): ActionOrder {
  const { text, object } = objectIn(body, textLengthMax);
  refuseOthers(object, members);
  if (object['event'] !== undefined && object['body'] !== undefined)
    throw wrong('body', 'Give either "event" or "body".');
  if (object['body'] !== undefined && typeof object['body'] !== 'string')
    throw wrong('body', '"body" must be a text, which is the JSON of an event.');
  // The text of the event keeps the digits of its numbers, which a parsed value would not.
  const span = object['event'] === undefined ? undefined : objectSpans(text).members.get('event');
  return {
    reason: readReason(object),
    mended: span === undefined ? object['body'] : text.slice(span.start, span.end),
    force: readFlag(object, 'force'),
  };
}

/** Reads the body of a request by filter. The topics of the key restrict it. */
export function readBulkOrder(body: unknown, access: Access, textLengthMax: number): BulkOrder {
  const { object } = objectIn(body, textLengthMax);
  refuseOthers(object, ['filter', 'reason', 'dry_run', 'limit', 'cursor']);
  const { filter, limit = LIMIT_DEFAULT, cursor } = object;
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter))
    throw wrong('filter', 'Give a "filter", such as {"topic": "orders.created"}; {} is all of them.');
  if (!Number.isSafeInteger(limit) || (limit as number) < 1)
    throw wrong('limit', '"limit" must be a positive integer.');
  if ('state' in filter) throw wrong('state', 'Only what is not ended is acted on: leave "state" out.');
  if (cursor !== undefined && cursor !== null && typeof cursor !== 'string')
    throw wrong('cursor', '"cursor" must be a text.');
  return {
    reason: readReason(object),
    filter: readFilter(filter as Record<string, unknown>, access, UNFINISHED),
    isDryRun: readFlag(object, 'dry_run'),
    limit: Math.min(limit as number, LIMIT_MAX),
    after: typeof cursor === 'string' ? readCursor(cursor) : undefined,
  };
}

/** Returns the reason of a drop. Throws a 422 problem when it is missing. */
export function requireReason(reason: string | undefined): string {
  if (reason !== undefined) return reason;
  throw wrong('reason', 'Say why in "reason": it is kept with the dead letter.');
}

function objectIn(body: unknown, textLengthMax: number): { text: string; object: Record<string, unknown> } {
  if (body === undefined || body === null) return { text: '{}', object: {} };
  const json = jsonBodyOf(body);
  try {
    const text = json.decode();
    if (text.length > textLengthMax) {
      const detail = `The body has ${text.length} characters, and ${textLengthMax} are allowed.`;
      throw new ProblemError(problem('too-large', 413, detail));
    }
    const value = text === '' ? {} : parsed(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return { text, object: value as Record<string, unknown> };
    throw wrong('body', 'The body must be a JSON object.');
  } finally {
    json.release();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'The body is not JSON.';
    throw new ProblemError(problem('malformed-json', 400, detail));
  }
}

function readReason(object: Readonly<Record<string, unknown>>): string | undefined {
  const { reason } = object;
  if (reason === undefined) return undefined;
  const isText =
    typeof reason === 'string' &&
    reason.trim() !== '' &&
    reason.length <= REASON_LENGTH_MAX &&
    reason.isWellFormed() &&
    !CONTROL_CHARACTERS.test(reason);
  if (isText) return reason;
  const detail = `"reason" must be 1 to ${REASON_LENGTH_MAX} characters without control characters.`;
  throw wrong('reason', detail);
}

function readFlag(object: Readonly<Record<string, unknown>>, name: 'force' | 'dry_run'): boolean {
  const value = object[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw wrong(name, `"${name}" must be true or false.`);
}

function refuseOthers(object: Readonly<Record<string, unknown>>, members: readonly string[]): void {
  for (const name of Object.keys(object)) {
    if (members.includes(name)) continue;
    throw wrong(name, `"${name.slice(0, 64)}" is not a member; there are ${members.join(', ')}.`);
  }
}

function wrong(parameter: string, detail: string): ProblemError {
  return new ProblemError(problem('invalid-action', 422, detail, { parameter: parameter.slice(0, 64) }));
}
