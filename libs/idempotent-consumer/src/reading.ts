import type { Decoder, Delivery, Message } from './delivery.js';

/** Anything with a `parse` that returns the value or throws, for example a schema of zod. */
export interface Schema {
  /** Returns the value that the handler gets. @throws when the value does not fit; `issues` of zod name the wrong paths */
  parse(value: unknown): unknown;
}

/** Which deliveries a handler gets, and in which shape. Every option may be left out. */
export interface ReadingOptions {
  /**
   * Checks each event before the handler gets it; the handler gets what `parse` returns. An event that does
   * not fit is a dead letter.
   */
  readonly schema?: Schema;
  /**
   * The subjects that the handler is for, such as `payments.>` or `orders.*.paid`. The default is every
   * delivered subject. A durable consumer that the library creates has them as its filter.
   * They may not overlap.
   */
  readonly subjects?: string | readonly string[];
  /**
   * What happens to a delivery of another subject: a dead letter (the default), or an ack that leaves no
   * trace.
   */
  readonly onUnmatched?: 'dead-letter' | 'ack';
}

/** Checks the subjects of a handler. @returns one sentence for each problem */
export function subjectProblems(subjects: ReadingOptions['subjects']): string[] {
  if (subjects === undefined) return [];
  const patterns = [subjects].flat();
  if (patterns.length === 0) return ['subjects is empty, so the handler would get no event'];
  const wrong = patterns.filter((pattern) => !/^(?:(?:\*|[^\s.*>]+)\.)*(?:\*|>|[^\s.*>]+)$/.test(pattern));
  if (wrong.length > 0)
    return wrong.map(
      (pattern) =>
        `"${pattern}" is not a valid subject pattern: use tokens between dots, "*" for one token, and ">" at the end for one or more`,
    );
  return patterns.flatMap((pattern, at) =>
    patterns
      .slice(0, at)
      .filter((earlier) => overlap(earlier.split('.'), pattern.split('.')))
      .map(
        (earlier) =>
          `subjects "${earlier}" and "${pattern}" overlap, and the brokers refuse a filter with both: leave one of them out`,
      ),
  );
}

/** Whether one subject can match both patterns. */
function overlap([first, ...more]: readonly string[], [other, ...others]: readonly string[]): boolean {
  if (first === undefined || other === undefined) return first === other;
  if (first === '>' || other === '>') return true;
  return (first === '*' || other === '*' || first === other) && overlap(more, others);
}

/**
 * The subjects of a handler, as the brokers know them. There are none when it is for every subject.
 *
 * @param prefix the first tokens of every subject of the stream, which the handler leaves out
 */
export function subjectsOf({ subjects = [] }: ReadingOptions, prefix?: string): readonly string[] {
  return [subjects].flat().map((subject) => (prefix === undefined ? subject : `${prefix}.${subject}`));
}

/** The subjects of a handler that the filters of its durable consumer leave out, at least in part. */
export function filteredOut(subjects: readonly string[], filters: readonly string[]): string[] {
  if (filters.length === 0) return [];
  return subjects.filter((one) => !filters.some((filter) => covers(filter.split('.'), one.split('.'))));
}

/** Whether every subject that matches the second pattern matches the first. */
function covers([first, ...more]: readonly string[], [other, ...others]: readonly string[]): boolean {
  if (first === undefined || other === undefined) return first === other;
  if (first === '>') return true;
  return (first === other || (first === '*' && other !== '>')) && covers(more, others);
}

/**
 * Wraps the program's decoder for one handler: it matches subjects, decodes, and checks the schema.
 *
 * A message that does not fit never reaches the handler. A durable consumer may deliver more than its handler
 * is for, for example after its filter was changed. `onUnmatched` states what happens then, so nothing is
 * dropped silently.
 */
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
    return decoded.ok && schema !== undefined ? checked(decoded.message, schema) : decoded;
  };
}

function unmatched<E>(
  delivery: Delivery,
  decoded: ReturnType<Decoder<E>>,
  patterns: readonly string[],
): ReturnType<Decoder<E>> {
  const named = decoded.ok ? decoded.message : 'poison' in decoded ? decoded.poison : undefined;
  const detail = `subject ${delivery.subject} matches none of the handler's subjects: ${patterns.join(', ')}`;
  return poisonOf(delivery, { topic: named?.topic ?? '', eventId: named?.eventId }, 'unmatched', detail);
}

function checked<E>(message: Message<E>, schema: Schema): ReturnType<Decoder<E>> {
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

const ISSUES_SHOWN_MAX = 5;

/** The paths that are wrong, if the error names them as errors of zod do. */
function mismatchText(error: unknown): string {
  const { issues, message } = (error ?? {}) as { issues?: unknown; message?: unknown };
  if (!Array.isArray(issues) || issues.length === 0)
    return typeof message === 'string' ? message : String(error);
  return (issues as readonly { path?: readonly PropertyKey[]; message?: string }[])
    .slice(0, ISSUES_SHOWN_MAX)
    .map(
      ({ path = [], message: text = 'does not fit' }) =>
        `${path.map(String).join('.') || '(event)'}: ${text}`,
    )
    .join('; ');
}

/** Matches by the rules of NATS: `*` is one token, and `>` at the end is one or more. */
function matches(pattern: readonly string[], subject: string): boolean {
  const tokens = subject.split('.');
  for (const [at, token] of pattern.entries()) {
    if (token === '>') return tokens.length > at;
    if (at >= tokens.length || (token !== '*' && token !== tokens[at])) return false;
  }
  return tokens.length === pattern.length;
}
