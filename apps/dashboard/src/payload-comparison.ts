/** Two payloads side by side: the stored one, and the one that a conflict brought. */
import type { StoryEntryView } from '#contracts';
import { jsonLines, type JsonLine } from './json-text.js';

/** A conflict in a story. */
export type Conflict = Extract<StoryEntryView, { readonly kind: 'conflict' }>;

/** A line of a payload, and whether it is part of a difference. */
export interface MarkedLine {
  readonly text: string;
  readonly differs: boolean;
}

/** Both payloads in lines. */
export interface Comparison {
  readonly stored: readonly MarkedLine[];
  readonly sent: readonly MarkedLine[];
}

/**
 * Builds the payload that was sent out of the stored one and the differences. The gateway says up to 20 of these, and
 * only the size of a long value.
 *
 * @returns `undefined` where the differences are not all known
 */
export function comparisonOf(
  payload: unknown,
  { differences, more_differences: isCut }: Conflict,
): Comparison | undefined {
  if (differences === null || isCut) return undefined;
  if (
    differences.some(
      ({ stored_bytes: stored, sent_bytes: sent }) => stored !== undefined || sent !== undefined,
    )
  )
    return undefined;
  // From the last to the first, so that elements that are removed from the end of an array leave no other index behind.
  const sent = differences.reduceRight<unknown>(
    (value, { path, sent: member }) => withMember(value, partsOf(path), member),
    payload,
  );
  const paths = differences.map(({ path }) => path);
  return { stored: marked(jsonLines(payload), paths), sent: marked(jsonLines(sent), paths) };
}

function marked(lines: readonly JsonLine[], paths: readonly string[]): MarkedLine[] {
  return lines.map(({ path, text }) => ({
    text,
    differs: paths.some((one) => path === one || path.startsWith(`${one}/`)),
  }));
}

/** The parts of a JSON pointer (RFC 6901). */
function partsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** A copy with another member at a path; `undefined` removes it. */
function withMember(value: unknown, [part, ...rest]: readonly string[], member: unknown): unknown {
  if (part === undefined) return member;
  if (Array.isArray(value)) {
    const copy = [...(value as unknown[])];
    const index = Number(part);
    const next = withMember(copy[index], rest, member);
    if (next === undefined) copy.splice(index, 1);
    else copy[index] = next;
    return copy;
  }
  const members = new Map(Object.entries((value ?? {}) as Record<string, unknown>));
  const next = withMember(members.get(part), rest, member);
  if (next === undefined) members.delete(part);
  else members.set(part, next);
  return Object.fromEntries(members);
}
