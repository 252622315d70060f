import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';

/**
 * Opens JetStream's API. It asks nothing of the brokers yet.
 *
 * @param apiPrefix the API prefix in the connection's account; `$JS.API` when undefined
 * @param timeoutMs how long an answer may take; the client's own default when undefined
 */
export function openApi(
  connection: NatsConnection,
  apiPrefix: string | undefined,
  timeoutMs?: number,
): Promise<JetStreamManager> {
  return jetstreamManager(connection, {
    checkAPI: false,
    ...(timeoutMs !== undefined && { timeout: timeoutMs }),
    ...(apiPrefix !== undefined && { apiPrefix }),
  });
}
