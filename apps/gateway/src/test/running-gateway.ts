/** A gateway in the test's process, with a client for it. It is stopped after the file's last test. */
import { afterAll } from '@jest/globals';
import { readGatewaySettings } from '#config';
import type { PublishResponse, Problem } from '#contracts';
import { createLogger } from '#observability';
import { waitFor } from '#testing';
import { Gateway } from '../gateway.js';

/** An answer that was read to its end. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A gateway with a client. */
export class RunningGateway {
  private constructor(readonly gateway: Gateway) {}

  /** Starts a gateway and, by default, waits until it is ready. */
  static async start(
    environment: Readonly<Record<string, string>>,
    untilReady = true,
  ): Promise<RunningGateway> {
    const gateway = await Gateway.start(readGatewaySettings(environment), createLogger('gateway', 'silent'));
    running.push(gateway);
    const made = new RunningGateway(gateway);
    if (untilReady) {
      const isReady = async (): Promise<boolean> => (await made.get('/health/ready')).status === 200;
      await waitFor(isReady, { timeoutMs: 20_000, describe: 'the gateway to be ready' });
    }
    return made;
  }

  async get(path: string, options: RequestInit = {}): Promise<Answered> {
    const response = await fetch(`${this.gateway.url}${path}`, options);
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Publishes: text and bytes unchanged, anything else as JSON. */
  async publish(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answered> {
    return this.get('/publish', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  }
}

/** An event, which is valid unless `members` changes that. */
export function event(
  eventId: string,
  members: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    topic: 'orders.created',
    event_id: eventId,
    timestamp: '2026-11-22T10:00:00.000Z',
    source: 'checkout',
    payload: { amount: 1 },
    ...members,
  };
}

/** The answer of `POST /publish`. A problem of that route has the same members. */
export function published(answered: Answered): PublishResponse & Problem {
  return JSON.parse(answered.text) as PublishResponse & Problem;
}

/** The problem in an answer. Throws when it is not one. */
export function problemOf(answered: Answered): Problem {
  const type = answered.headers.get('content-type');
  if (type !== 'application/problem+json; charset=utf-8')
    throw new Error(`${type ?? 'no type'}: ${answered.text}`);
  const problem = JSON.parse(answered.text) as Problem;
  if (problem.status !== answered.status) throw new Error(`status ${answered.status}: ${answered.text}`);
  if (answered.text.includes('    at ')) throw new Error(`a stack trace: ${answered.text}`);
  return problem;
}

const running: Gateway[] = [];

afterAll(async () => {
  await Promise.all(running.map((gateway) => gateway.stop()));
});
