/**
 * Requests of an operator's commands to a gateway.
 *
 * The commands use the gateway and not the database, as `sekali keys` does. What an operator does is kept under the
 * name of the key, only the topics of the key are touched, and only a gateway publishes.
 */
import { readApiKey } from '#config';
import { pause } from '#waiting';
import { CommandError } from './command-error.js';
import {
  authorization,
  gatewayUrl,
  isKeyRefusal,
  keyError,
  readRetryAfter,
  unreachable,
} from './http-producer.js';
import { findTarget, type TargetOptions } from './target.js';

/** An answer, and the path of the next page. */
export interface ClientAnswer<T> {
  readonly body: T;
  /** The body as it came: a parsed number may have lost digits. */
  readonly text: string;
  readonly next: string | undefined;
  readonly headers: Headers;
}

/** Longer than the gateway's own budget for many replays. */
const ANSWER_MS_MAX = 60_000;
/** How often a request is sent while the gateway is busy, or a part of the system does not answer. */
const TRIES_MAX = 5;
const PAUSE_MS = 1_000;

/** The gateway did not answer, or not now. */
export class UnansweredError extends CommandError {
  constructor({ message, cause }: CommandError) {
    super(message, 2, { cause });
  }
}

/** Talks to one gateway with one key. */
export class GatewayClient {
  private readonly gateway: string;
  private readonly headers: Readonly<Record<string, string>>;

  constructor(options: TargetOptions) {
    const target = findTarget(options);
    this.gateway = target.SEKALI_GATEWAY_URL;
    this.headers = authorization(readApiKey(target));
  }

  /** Reads a page. Throws `CommandError`: 1 when the gateway refuses this request, 2 when it does not answer. */
  async get<T>(path: string): Promise<ClientAnswer<T>> {
    return this.request<T>(path, {});
  }

  /** Has something done. Repeating it is safe, as the gateway does nothing twice. Throws like `get`. */
  async post<T>(path: string, body: string): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    return (await this.request<T>(path, { method: 'POST', headers, body })).body;
  }

  /**
   * Opens a stream of server-sent events, which ends when `signal` aborts.
   *
   * @param lastEventId the id of the last message that was read, behind which it goes on
   * @throws CommandError 2 when the gateway refuses the key or a parameter; `UnansweredError` when trying again may help
   */
  async stream(
    path: string,
    lastEventId: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const [route = '', query = ''] = path.split('?');
    const url = gatewayUrl(this.gateway, route);
    url.search = query;
    const last: Record<string, string> = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
    const headers = { ...this.headers, accept: 'text/event-stream', ...last };
    const response = await fetch(url, { headers, signal }).catch((error: unknown) => {
      throw new UnansweredError(unreachable(this.gateway, error));
    });
    if (response.ok && response.body !== null) return response.body;
    const refused = refusal(url, response.status, await response.text());
    throw isPassing(response.status) ? new UnansweredError(refused) : refused;
  }

  private async request<T>(
    path: string,
    { headers, ...request }: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<ClientAnswer<T>> {
    const [route = '', query = ''] = path.split('?');
    const url = gatewayUrl(this.gateway, route);
    url.search = query;
    for (let tries = 1; ; tries++) {
      const { response, text } = await this.fetched(url, {
        ...request,
        headers: { ...this.headers, ...headers },
      });
      if (response.ok) {
        const next = nextPath(response, route);
        return { body: JSON.parse(text) as T, text, next, headers: response.headers };
      }
      if (!isPassing(response.status) || tries === TRIES_MAX) throw refusal(url, response.status, text);
      await pause(readRetryAfter(response.headers.get('retry-after')) ?? PAUSE_MS);
    }
  }

  private async fetched(url: URL, request: RequestInit): Promise<{ response: Response; text: string }> {
    try {
      const response = await fetch(url, { ...request, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      return { response, text: await response.text() };
    } catch (error) {
      throw unreachable(this.gateway, error);
    }
  }
}

function isPassing(status: number): boolean {
  return status === 503 || status === 429;
}

/** A page is followed by one of the same route. A proxy may serve it below a path, which the link does not have. */
function nextPath(response: Response, route: string): string | undefined {
  const link = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
  return link === undefined ? undefined : `${route}${new URL(link, response.url).search}`;
}

function refusal(url: URL, status: number, text: string): CommandError {
  const detail = detailOf(text);
  if (isKeyRefusal(status)) return keyError(url, status, detail);
  const isRefused = status === 404 || status === 409 || status === 422;
  return new CommandError(detail ?? `${url.href} answered ${status}`, isRefused ? 1 : 2);
}

function detailOf(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === 'string' ? detail : undefined;
  } catch {
    return undefined;
  }
}
