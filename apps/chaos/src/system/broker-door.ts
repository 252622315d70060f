/**
 * The judge's door to the brokers: who leads, and whether every replica has caught up.
 *
 * A request has two seconds. No answer is a result here, since faults cause it.
 */
import { jetstreamManager, type ClusterInfo, type JetStreamManager, type PeerInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { brokerDoors } from './broker-sign-in.js';
import { describeError, until } from './deadline.js';
import { JUDGE_NAME } from './sql-door.js';

const REQUEST_MS_MAX = 2_000;
const RECONNECT_WAIT_MS = 250;
const PROBE_INTERVAL_MS = 250;
/** Followers answer the leader every second. One that is silent for longer is stopped, whatever its last state was. */
const SILENT_MS_MAX = 3_000;
const NANOS_PER_MS = 1_000_000;

/** Connects, and stays connected to any broker that answers. Throws when none does. */
export async function connectToBrokers(urls: readonly string[]): Promise<NatsConnection> {
  return connect({
    ...brokerDoors(urls),
    name: JUDGE_NAME,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    timeout: REQUEST_MS_MAX,
    // A paused broker sends nothing, so after four seconds the client turns to another one.
    pingInterval: 2_000,
    maxPingOut: 2,
    noAsyncTraces: true,
  });
}

/** The API of JetStream, with a short timeout. */
export async function brokerApi(connection: NatsConnection): Promise<JetStreamManager> {
  return jetstreamManager(connection, { checkAPI: false, timeout: REQUEST_MS_MAX });
}

/** A stream in the judge's requests. */
export class WatchedStream {
  constructor(
    private readonly connection: NatsConnection,
    readonly name: string,
    readonly consumers: readonly string[],
  ) {}

  /** The leader's server name; undefined when there is no leader, or no answer. */
  async leaderOf(what: 'stream' | { readonly consumer: string }): Promise<string | undefined> {
    try {
      const api = await brokerApi(this.connection);
      const { cluster } =
        what === 'stream'
          ? await api.streams.info(this.name)
          : await api.consumers.info(this.name, what.consumer);
      return cluster?.leader;
    } catch {
      return undefined;
    }
  }

  /**
   * Resolves when every replica is online and current. Throws `DeadlineError`, naming those that are not.
   *
   * @param except a broker that is known to be down; it is not waited for, and must not lead either
   */
  async untilReplicasCurrent(timeoutMs: number, except?: string): Promise<void> {
    const probe = async (): Promise<true> => {
      const behind = await this.replicasBehind(except);
      if (behind.length > 0) throw new Error(behind.join(', '));
      return true;
    };
    const what = 'every replica to be current';
    await until(probe, { timeoutMs, what, intervalMs: PROBE_INTERVAL_MS });
  }

  private async replicasBehind(except: string | undefined): Promise<string[]> {
    const api = await brokerApi(this.connection);
    const { cluster, config } = await api.streams.info(this.name);
    const behind = behindIn(`stream ${this.name}`, cluster, config.num_replicas, except);
    for (const consumer of this.consumers) {
      const what = `consumer ${consumer}`;
      try {
        const info = await api.consumers.info(this.name, consumer);
        behind.push(...behindIn(what, info.cluster, config.num_replicas, except));
      } catch (error) {
        behind.push(`${what}: ${describeError(error)}`);
      }
    }
    return behind;
  }
}

/** What is wrong in one Raft group, one phrase each. */
export function behindIn(
  what: string,
  cluster: ClusterInfo | undefined,
  replicas: number,
  except?: string,
): string[] {
  if (replicas === 1) return [];
  if (cluster?.leader === undefined || cluster.leader === '') return [`${what}: there is no leader`];
  if (cluster.leader === except) return [`${what}: ${except} still leads`];
  const followers: readonly Partial<PeerInfo>[] = cluster.replicas ?? [];
  if (followers.length !== replicas - 1) return [`${what}: ${followers.length + 1} of ${replicas} replicas`];
  return followers
    .filter((one) => one.name !== except && !isCurrent(one))
    .map(({ name, lag = 0 }) => `${what}: ${name ?? 'one'} is not current (lag ${lag})`);
}

/** On the wire, a field that is zero or false is left out. */
function isCurrent({ current, offline = false, lag = 0, active = 0 }: Partial<PeerInfo>): boolean {
  return current === true && !offline && lag === 0 && active <= SILENT_MS_MAX * NANOS_PER_MS;
}
