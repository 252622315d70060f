/**
 * A JetStream transport for Nest like the usual ones: one message, one call of a handler, one ack.
 *
 * It handles messages concurrently up to a bound. When a handler throws, its message is delivered again.
 */
import { type ConsumerMessages, jetstream, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { BaseRpcContext, type CustomTransportStrategy, Server } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';

const HANDLED_AT_ONCE_MAX = 100;
const RETRY_DELAY_MS = 1_000;

/**
 * The strategy for `NestFactory.createMicroservice`. The pattern of a handler is its subject, or `#` for any subject.
 */
export class TypicalTransport extends Server implements CustomTransportStrategy {
  private messages: ConsumerMessages | undefined;
  private readonly handled = new Set<Promise<void>>();

  constructor(
    private readonly connection: NatsConnection,
    private readonly durable: { readonly stream: string; readonly consumer: string },
  ) {
    super();
  }

  /** Nest calls this to start. */
  listen(callback: (error?: unknown) => void): void {
    this.consume().then(() => {
      callback();
    }, callback);
  }

  /** Nest calls this to stop. It takes no more messages and waits for the handlers that are running. */
  async close(): Promise<void> {
    await this.messages?.close();
    await Promise.all(this.handled);
  }

  /** The transport has no events. */
  on(): void {
    return undefined;
  }

  /** Nest's way to the driver. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the signature is Nest's
  unwrap<T>(): T {
    return this.connection as T;
  }

  private async consume(): Promise<void> {
    const consumer = await jetstream(this.connection).consumers.get(
      this.durable.stream,
      this.durable.consumer,
    );
    this.messages = await consumer.consume();
    void this.handleAll(this.messages);
  }

  private async handleAll(messages: ConsumerMessages): Promise<void> {
    for await (const message of messages) {
      const handling = this.handle(message).finally(() => this.handled.delete(handling));
      this.handled.add(handling);
      if (this.handled.size >= HANDLED_AT_ONCE_MAX) await Promise.race(this.handled);
    }
  }

  private async handle(message: JsMsg): Promise<void> {
    try {
      const handler = this.getHandlerByPattern(message.subject) ?? this.getHandlerByPattern('#');
      const answer: unknown = await handler?.(message.json(), new BaseRpcContext([message]));
      await lastValueFrom(this.transformToObservable(answer), { defaultValue: undefined });
      message.ack();
    } catch {
      message.nak(RETRY_DELAY_MS);
    }
  }
}
