import { eventBody } from './event-body.js';
import { readAnswer, readFailure } from './http-answer.js';
import type { Message } from './message.js';
import type { Answer, Producer } from './producer.js';
import type { Random } from './random.js';
import type { Via } from '../history/operation.js';

/** Where and how it sends. */
export interface HttpProducerOptions {
  readonly name: string;
  /** `http`: one event as an object. `http_batch`: an array, all or none. `http_lenient`: an array, the valid ones. */
  readonly via: Exclude<Via, 'nats'>;
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
  readonly via: Via;

  /** @param random picks the gateway of each operation */
  constructor(
    private readonly options: HttpProducerOptions,
    private readonly random: Random,
  ) {
    this.name = options.name;
    this.via = options.via;
  }

  async send(messages: readonly Message[]): Promise<Answer> {
    const { via, gateways, apiKey, timeoutMs = TIMEOUT_MS } = this.options;
    const lenient = via === 'http_lenient';
    const gateway = this.random.pick(gateways);
    try {
      const response = await fetch(new URL('/publish', gateway), {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(lenient ? { prefer: 'handling=lenient' } : {}),
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body: this.body(messages),
        signal: AbortSignal.timeout(timeoutMs),
      });
      return { ...readAnswer(response.status, await response.text(), messages, lenient), gateway };
    } catch (error) {
      return readFailure(error, messages.length);
    }
  }

  /** Connections close themselves when they have been idle for a while. */
  async close(): Promise<void> {
    return Promise.resolve();
  }

  private body(messages: readonly Message[]): string {
    const texts = messages.map((message) => eventBody(message, this.options.runStartedAtMs));
    return this.via === 'http' ? texts.join('') : `[${texts.join(',')}]`;
  }
}
