/**
 * JetStream's API on a connection, under the name that the connection's account knows it by.
 *
 * Programs of a deployment live in accounts of their own. Each imports of the stream's account what it needs, under a
 * prefix other than `$JS.API`, which belongs to every account's own JetStream. The prefix comes with the connection, so
 * that nobody who asks the brokers something has to think of it.
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';

const prefixes = new WeakMap<NatsConnection, string>();

/** Says under which prefix the API is asked on a connection: tokens joined by dots, without a dot at the end. */
export function setApiPrefix(connection: NatsConnection, prefix: string): void {
  prefixes.set(connection, prefix);
}

/**
 * JetStream's API. Nothing is asked yet.
 *
 * @param connection one of `connectBroker`'s
 * @param timeoutMs how long an answer is waited for; the client's own default is 5,000
 */
export function jetStreamApi(connection: NatsConnection, timeoutMs?: number): Promise<JetStreamManager> {
  const apiPrefix = prefixes.get(connection);
  return jetstreamManager(connection, {
    // Programs may not ask for the account.
    checkAPI: false,
    ...(apiPrefix !== undefined && { apiPrefix }),
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
  });
}
