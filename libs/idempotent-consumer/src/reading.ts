/**
 * How the deliveries of one handler are read: matched against its subjects, decoded, and held against its schema.
 *
 * What does not fit never reaches the handler. A durable consumer may deliver more than its handler is for, as when its filter
 * was set by somebody else: what becomes of that is said by `onUnmatched`, and nothing is dropped in silence.
 */
import type { Decoder, Delivery, Message } from './delivery.js';

/** Anything that takes a value apart and throws where it does not fit: a schema of zod, for example. */
export interface Schema {
  parse(value: unknown): unknown;
}

/** What a handler is for. Everything may be left out. */
export interface ReadingOptions {
  /** Checks each event before the handler sees it, which gets what `parse` returns. What does not fit is a dead letter. */
  readonly schema?: Schema;
  /** Subjects that the handler is for, as `payments.>` or `orders.*.paid`; everything that is delivered when left out. */
  readonly subjects?: string | readonly string[];
  /** What becomes of a delivery of another subject: a dead letter, the default, or an ack that leaves no trace. */
  readonly onUnmatched?: 'dead-letter' | 'ack';
}

/** What is wrong with subjects that a handler is for, a sentence each. */
export function subjectProblems(subjects: ReadingOptions['subjects']): string[] {
  if (subjects === undefined) return [];
  const patterns = [subjects].flat();
  if (patterns.length === 0) return ['subjects is empty: it would be for nothing'];
  return patterns
    .filter((pattern) => !/^(?:(?:\*|[^\s.*>]+)\.)*(?:\*|>|[^\s.*>]+)$/.test(pattern))
    .map(
      (pattern) =>
        `"${pattern}" is no pattern of subjects: tokens between dots, "*" for one and ">" at the end for one or more`,
    );
}

/** The decoder of a handler, on that of the program. */
export function readingOf<E>(decode: Decoder<E>, options: ReadingOptions): Decoder<E> {
  const { schema, subjects = [], onUnmatched = 'dead-letter' } = options;
  const patterns = [subjects].flat();
  if (schema === undefined && patterns.length === 0) return decode;
  const tokens = patterns.map((pattern) => pattern.split('.'));
  return (delivery) => {
    const isMatched = tokens.length === 0 || tokens.some((pattern) => matches(pattern, delivery.subject));
    if (!isMatched && onUnmatched === 'ack') return { ok: false, ignored: true };
    const decoded = decode(delivery);
    if (!isMatched) return unmatched(delivery, decoded, patterns);
    return decoded.ok && schema !== undefined ? held(decoded.message, schema) : decoded;
  };
}

function unmatched<E>(
  delivery: Delivery,
  decoded: ReturnType<Decoder<E>>,
  patterns: readonly string[],
): ReturnType<Decoder<E>> {
  const named = decoded.ok ? decoded.message : 'poison' in decoded ? decoded.poison : undefined;
  const detail = `subject ${delivery.subject} is none of those that the handler is for: ${patterns.join(', ')}`;
  return poisonOf(delivery, { topic: named?.topic ?? '', eventId: named?.eventId }, 'unmatched', detail);
}

function held<E>(message: Message<E>, schema: Schema): ReturnType<Decoder<E>> {
  try {
    return { ok: true, message: { ...message, event: schema.parse(message.event) as E } };
  } catch (error) {
    return poisonOf(message.delivery, message, 'schema_mismatch', mismatchText(error));
  }
}

function poisonOf(
  delivery: Delivery,
  { topic, eventId }: { readonly topic: string; readonly eventId?: string | undefined },
  reason: string,
  detail: string,
): ReturnType<Decoder<never>> {
  return {
    ok: false,
    poison: { delivery, topic, ...(eventId !== undefined && { eventId }), reason, detail },
  };
}

const ISSUES_TOLD_MAX = 5;

/** The paths that are wrong, where the error names them as those of zod do. */
function mismatchText(error: unknown): string {
  const { issues, message } = (error ?? {}) as { issues?: unknown; message?: unknown };
  if (!Array.isArray(issues) || issues.length === 0)
    return typeof message === 'string' ? message : String(error);
  return (issues as readonly { path?: readonly PropertyKey[]; message?: string }[])
    .slice(0, ISSUES_TOLD_MAX)
    .map(
      ({ path = [], message: text = 'does not fit' }) =>
        `${path.map(String).join('.') || '(event)'}: ${text}`,
    )
    .join('; ');
}

/** By the rules of NATS: `*` is one token, `>` at the end one or more. */
function matches(pattern: readonly string[], subject: string): boolean {
  const tokens = subject.split('.');
  for (const [at, token] of pattern.entries()) {
    if (token === '>') return tokens.length > at;
    if (at >= tokens.length || (token !== '*' && token !== tokens[at])) return false;
  }
  return tokens.length === pattern.length;
}
