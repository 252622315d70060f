import { readFailure } from './http-answer.js';
import { HTTP_DOORS } from './http-doors.js';
import type { Message } from './message.js';
import type { Answer, Producer } from './producer.js';
import type { Random } from './random.js';
import type { HttpVia } from '../history/operation.js';

/** Where and how it sends. */
export interface HttpProducerOptions {
  readonly name: string;
  /** The door. */
  readonly via: HttpVia;
  /** URLs, at least one. */
  readonly gateways: readonly string[];
  /** The key that the gateways ask for, if they do. */
  readonly apiKey?: string | undefined;
  readonly runStartedAtMs: number;
  /** The time limit of an answer; 25,000 when left out, since a gateway tries for 18,000. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 25_000;

/**
 * A producer over HTTP. It sends each operation to one of the gateways, and waits for the answer longer than a gateway
 * takes.
 */
export class HttpProducer implements Producer {
  readonly name: string;
  readonly via: HttpVia;

  /** @param random picks the gateway of each operation */
  constructor(
    private readonly options: HttpProducerOptions,
    private readonly random: Random,
  ) {
    this.name = options.name;
    this.via = options.via;
  }

  async send(messages: readonly Message[]): Promise<Answer> {
    const { via, gateways, apiKey, runStartedAtMs, timeoutMs = TIMEOUT_MS } = this.options;
    const door = HTTP_DOORS[via];
    const gateway = this.random.pick(gateways);
    const { path, headers, body } = door.request(messages, runStartedAtMs);
    try {
      const response = await fetch(new URL(path, gateway), {
        method: 'POST',
        headers: {
          ...headers,
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body,
        signal: AbortSignal.timeout(timeoutMs),
      });
      return { ...door.read(response.status, await response.text(), messages), gateway };
    } catch (error) {
      return readFailure(error, messages.length);
    }
  }

  /** Connections close themselves when they have been idle for a while. */
  async close(): Promise<void> {
    return Promise.resolve();
  }
}
