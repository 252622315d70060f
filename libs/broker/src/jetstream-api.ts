/**
 * JetStream's API on a connection, under the name that the connection's account knows it by.
 *
 * Each program of a deployment lives in an account of its own. It imports the parts it needs of the stream's account
 * under a prefix other than `$JS.API`, which belongs to every account's own JetStream. The connection remembers the
 * prefix, so that its users do not have to.
 */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';

const prefixes = new WeakMap<NatsConnection, string>();

/** Sets the prefix of the API for a connection: tokens joined by dots, without a dot at the end. */
export function setApiPrefix(connection: NatsConnection, prefix: string): void {
  prefixes.set(connection, prefix);
}

/** The prefix of the API for a connection; `undefined` where it is `$JS.API`. */
export function apiPrefixOf(connection: NatsConnection): string | undefined {
  return prefixes.get(connection);
}

/**
 * JetStream's API. This sends no request.
 *
 * @param connection one of `connectBroker`'s
 * @param timeoutMs how long to wait for an answer; the client's own default is 5,000
 */
export function jetStreamApi(connection: NatsConnection, timeoutMs?: number): Promise<JetStreamManager> {
  const apiPrefix = prefixes.get(connection);
  return jetstreamManager(connection, {
    // Programs may not query the account.
    checkAPI: false,
    ...(apiPrefix !== undefined && { apiPrefix }),
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
  });
}
