/** Spans of `stored_at`, as conditions from which the planner sees which partitions to leave out. */
import type { Condition } from './event-filter.js';

/** A span of time, as Postgres prints instants; the end is excluded. Without a beginning or an end, it is open there. */
export interface StoredSpan {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/**
 * Writes that an event was stored in one of the spans.
 *
 * @param first the number of the first parameter
 */
export function spanCondition(spans: readonly StoredSpan[], first: number): Condition {
  const values: string[] = [];
  const bound = (operator: string, instant: string | undefined): string[] =>
    instant === undefined ? [] : [`stored_at ${operator} $${first - 1 + values.push(instant)}::timestamptz`];
  const parts = spans.map(({ since, until }) => {
    const bounds = [...bound('>=', since), ...bound('<', until)];
    return bounds.length === 0 ? 'true' : bounds.join(' AND ');
  });
  return { sql: parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`, values };
}

/**
 * Returns the time outside of some spans.
 *
 * @param spans in order, without an overlap, and each with both ends
 */
export function outsideOf(spans: readonly Required<StoredSpan>[]): StoredSpan[] {
  const outside: StoredSpan[] = [];
  let since: string | undefined;
  for (const span of spans) {
    if (span.since !== since) outside.push({ since, until: span.since });
    since = span.until;
  }
  return [...outside, { since, until: undefined }];
}
