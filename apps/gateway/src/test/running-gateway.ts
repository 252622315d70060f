/** A gateway in the process of the test, with a client for it. It is stopped after the file's last test. */
import { afterAll } from '@jest/globals';
import { readGatewaySettings } from '#config';
import type { PublishResponse, Problem } from '#contracts';
import { createLogger } from '#observability';
import { waitFor } from '#testing';
import { Gateway } from '../gateway.js';

/** An answer, read to its end. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A gateway and a way to talk to it. */
export class RunningGateway {
  private constructor(readonly gateway: Gateway) {}

  /** Starts one and waits until it is ready, unless told otherwise. */
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

  /** Publishes: text and bytes as they are, anything else as JSON. */
  async publish(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answered> {
    return this.get('/publish', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  }
}

/** An event, valid unless `members` make it otherwise. */
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

/** The answer of `POST /publish`; a problem of one has the same members. */
export function published(answered: Answered): PublishResponse & Problem {
  return JSON.parse(answered.text) as PublishResponse & Problem;
}

/** The problem that an answer is. Throws when it is none. */
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
