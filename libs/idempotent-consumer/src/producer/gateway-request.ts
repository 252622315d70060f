/** One `POST /publish` of a gateway, and what its answer says of each event. */
import type { TraceContext } from '../trace-context.js';

/** What an answer says of one event. */
export interface EventResult {
  readonly status: string;
  /** The sequence in the stream, where the brokers have the event. */
  readonly seq: number | undefined;
  /**
   * Whether its topic is what is wrong. As its form was checked before, the gateway has no room for another topic, or the
   * key may not publish it. Both can be mended.
   */
  readonly isOfTopic: boolean;
}

/** An answer, or that there was none. */
export interface GatewayAnswer {
  /** The status of HTTP; left out when no answer came. */
  readonly status?: number;
  /** By the position of the event in the request. An answer may have none. */
  readonly results?: ReadonlyMap<number, EventResult>;
  /** Whether the request as a whole would be refused again. */
  readonly isRefused: boolean;
  /** How long the gateway wants us to wait, in milliseconds. */
  readonly retryAfterMs?: number;
}

const NO_ANSWER: GatewayAnswer = { isRefused: false };
/** These 4xx pass: a timeout of the request, a conflict, too early, too many requests. */
const PASSING = new Set([408, 409, 425, 429]);

/** Sends events to one gateway. */
export class GatewayRequest {
  private readonly address: string;
  private readonly headers: Readonly<Record<string, string>>;

  /** @throws TypeError when the address is not one */
  constructor(url: string, apiKey?: string) {
    this.address = new URL('publish', url.endsWith('/') ? url : `${url}/`).href;
    this.headers = {
      'content-type': 'application/json',
      // One invalid event must not refuse the others.
      prefer: 'handling=lenient',
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    };
  }

  /**
   * Publishes events.
   *
   * @param bodies the events as JSON texts
   * @param trace what all of them belong to
   * @returns the answer; an answer that cannot be read counts as none. It never rejects
   */
  async publish(
    bodies: readonly string[],
    signal: AbortSignal,
    trace?: TraceContext,
  ): Promise<GatewayAnswer> {
    try {
      const { headers, address } = this;
      const response = await fetch(address, {
        method: 'POST',
        headers: { ...headers, ...trace },
        body: `[${bodies.join(',')}]`,
        signal,
      });
      const { status } = response;
      const text = await response.text();
      const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
      const isRefused = status >= 400 && status < 500 && !PASSING.has(status);
      return {
        ...{ status, isRefused, results: resultsIn(text) },
        ...(seconds > 0 && { retryAfterMs: seconds * 1_000 }),
      };
    } catch {
      return NO_ANSWER;
    }
  }
}

function resultsIn(text: string): Map<number, EventResult> {
  const found = new Map<number, EventResult>();
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return found;
  }
  // Where no event is valid, the answer has them as `rejected` alone.
  const { results, rejected } = (answer ?? {}) as { results?: unknown; rejected?: unknown };
  const list = [results, rejected].find((one) => Array.isArray(one)) as unknown[] | undefined;
  for (const result of list ?? []) {
    const { index, status, seq, errors } = (result ?? {}) as Record<string, unknown>;
    if (typeof index !== 'number' || typeof status !== 'string') continue;
    const isOfTopic = Array.isArray(errors) && errors.some(isErrorOfTopic);
    found.set(index, { status, isOfTopic, seq: typeof seq === 'number' ? seq : undefined });
  }
  return found;
}

function isErrorOfTopic(error: unknown): boolean {
  return (error as { field?: unknown } | null)?.field === 'topic';
}
