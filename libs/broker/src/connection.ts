/**
 * Connections to the brokers.
 *
 * Publishing and consuming each take a connection of their own, so that a flood of deliveries cannot hold up
 * the acknowledgements a publisher waits for.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node';

/** How to reach the brokers. */
export interface BrokerAddress {
  /** URLs joined by commas, for example `nats://127.0.0.1:4222,nats://127.0.0.1:4223`. */
  readonly urls: string;
  /** Whether brokers are used that the listed ones name; not so where only the listed addresses can be reached. */
  readonly discovery?: boolean;
  /** What the connection is called in the brokers' monitoring. */
  readonly name: string;
}

const RECONNECT_WAIT_MS = 250;
const PING_INTERVAL_MS = 2_000;
/** A frozen broker takes a connection and says nothing; the default would wait 20 s for it. */
const CONNECT_MS_MAX = 2_000;

/**
 * Connects, and stays connected: a lost connection is retried for ever, on each of the brokers in turn.
 *
 * @param options.waitForFirst keep trying until the first connection stands, instead of failing when none does
 * @throws when no broker answers and `waitForFirst` is not set
 */
export async function connectBroker(
  address: BrokerAddress,
  options: { readonly waitForFirst: boolean },
): Promise<NatsConnection> {
  return connect({
    servers: address.urls.split(',').map((url) => url.trim()),
    name: address.name,
    ignoreClusterUpdates: address.discovery === false,
    // The default gives up after 10 attempts and closes the connection for good.
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    timeout: CONNECT_MS_MAX,
    waitOnFirstConnect: options.waitForFirst,
    // A peer that vanished without a word (power, network) is noticed after two missed answers.
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    // Stack traces for every request cost more than the request.
    noAsyncTraces: true,
  });
}
