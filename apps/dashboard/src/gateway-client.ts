/** Requests to the gateway that served the page. Each ends: with a value, with a problem, or without an answer. */
import type { Problem } from '#contracts';
import { parseExact } from './json-text.js';
import { sessionKey } from './session.js';

/** What became of a request. */
export type Answer<T> =
  | { readonly kind: 'value'; readonly value: T; readonly headers: Headers }
  /** The gateway refused it, or cannot answer it now. */
  | { readonly kind: 'problem'; readonly problem: Problem }
  /** The gateway did not answer. */
  | { readonly kind: 'unreachable'; readonly detail: string };

/** An answer without a value. */
export type Failure = Exclude<Answer<never>, { kind: 'value' }>;

/** Options of a request. */
export interface RequestOptions {
  /** Sent as JSON with POST; GET when left out. */
  readonly body?: unknown;
  /** The default is 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 10_000;

/** Sends a request and reads the answer as JSON. It never rejects. */
export async function ask<T>(path: string, options: RequestOptions = {}): Promise<Answer<T>> {
  const { body, timeoutMs = TIMEOUT_MS, signal } = options;
  const bound = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(path, {
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      headers: { ...requestHeaders(), ...(body !== undefined && { 'content-type': 'application/json' }) },
      cache: 'no-store',
      signal: signal === undefined ? bound : AbortSignal.any([bound, signal]),
    });
    const text = await response.text();
    if (!response.ok) return { kind: 'problem', problem: problemIn(text, response.status) };
    return { kind: 'value', value: parseExact(text) as T, headers: response.headers };
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    const detail = isLate ? `no answer within ${timeoutMs / 1_000} s` : 'no connection';
    return { kind: 'unreachable', detail };
  }
}

/** The headers of every request: it takes JSON, and has the key of the tab. */
export function requestHeaders(): Record<string, string> {
  const key = sessionKey();
  return { accept: 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) };
}

/** The address of the next page, which a `Link` header leads to. It keeps to this gateway. */
export function nextPage(headers: Headers): string | undefined {
  const link = /<([^>]+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1];
  if (link === undefined) return undefined;
  const { pathname, search } = new URL(link, location.href);
  return pathname + search;
}

/** Whether the gateway asks for a key, or refuses the one it got. */
export function needsKey(failure: Failure | undefined): boolean {
  return failure?.kind === 'problem' && failure.problem.status === 401;
}

/** Whether the same request may succeed later, and nothing but time is needed. */
export function isTransient(failure: Failure): boolean {
  if (failure.kind === 'unreachable') return true;
  const { status } = failure.problem;
  return status >= 500 || status === 429;
}

/** A failure in one sentence. */
export function failureText(failure: Failure): string {
  if (failure.kind === 'unreachable') return `The gateway does not answer: ${failure.detail}.`;
  const { status, title, detail } = failure.problem;
  return status === 404 && failure.problem.type === 'about:blank'
    ? 'This gateway does not have this figure: it is of an older version.'
    : (detail ?? title);
}

function problemIn(text: string, status: number): Problem {
  try {
    const value = JSON.parse(text) as Partial<Problem>;
    if (typeof value.title === 'string') return { type: 'about:blank', ...value, title: value.title, status };
  } catch {
    // A proxy may answer in its own words.
  }
  return { type: 'about:proxy', title: `The answer was HTTP ${status}.`, status };
}
