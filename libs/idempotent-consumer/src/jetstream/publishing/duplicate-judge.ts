/**
 * The port to what knows more of repeats than the brokers, who compare message ids alone.
 *
 * Any message under an id swallows the next one with that id: one that is another event, that was purged since, or that
 * became a dead letter. A publisher that has a judge publishes such an event again, under another message id. Consumers
 * must then take the identity of an event from its body.
 */
import type { PublishRequest } from './publish-job.js';

/** A message that the stream has under a message id. */
export interface StoredMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  header(name: string): string | undefined;
}

/** Decides what the brokers' answer "duplicate" means. */
export interface DuplicateJudge<R extends PublishRequest> {
  /** Whether another process lately published a message id, so that an atomic batch should leave it out. */
  isKnown(messageId: string): boolean;
  /** Called when the brokers took a message under its own id. */
  published(messageId: string): void;
  /** Whether the message with a sequence is known to be kept, without a query. */
  isSurelyKept(seq: number): boolean;
  /** Whether a message is the event of a request. */
  isSame(stored: StoredMessage, request: R): boolean;
  /**
   * Whether the event has a message that is kept, or took effect already.
   *
   * @param first what came first: the same event, or a message that is no longer in the stream
   * @throws when the brokers do not answer; it is then asked again
   */
  isKept(request: R, seq: number, first: 'same' | 'gone'): Promise<boolean>;
}

/** Believes the brokers, so that no message id ever changes. */
export const BROKERS_DECIDE: DuplicateJudge<PublishRequest> = {
  isKnown: () => false,
  published: () => undefined,
  isSurelyKept: () => true,
  isSame: () => true,
  isKept: () => Promise.resolve(true),
};
