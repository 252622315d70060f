import type { NatsConnection } from '@nats-io/nats-core';
import { connectToBrokers, WatchedStream } from './broker-door.js';
import { runStatement } from './sql-door.js';
import type { BrokerDisk, Link, Target, TargetProcess } from './target.js';

/** Where it is. */
export interface GivenSystemOptions {
  readonly gatewayUrls: readonly string[];
  readonly natsUrls: readonly string[];
  /** With user and password. */
  readonly postgresUrl: string;
  readonly stream: string;
  readonly consumers: readonly string[];
}

/**
 * A running system that the judge did not start: addresses, and nothing more.
 *
 * There is no process to signal, no link to disturb and no store to wipe. So only the faults apply that an operator
 * could cause by SQL or by the brokers' API.
 */
export class GivenSystem implements Target {
  readonly processes: readonly TargetProcess[] = [];
  readonly routes = undefined;
  readonly databaseDirectory = undefined;

  private constructor(
    private readonly options: GivenSystemOptions,
    readonly brokers: NatsConnection,
    private readonly watched: WatchedStream,
  ) {}

  /** Connects to it. Throws when the brokers or Postgres do not answer. */
  static async connect(options: GivenSystemOptions): Promise<GivenSystem> {
    await runStatement(options.postgresUrl, 'SELECT 1');
    const brokers = await connectToBrokers(options.natsUrls);
    return new GivenSystem(options, brokers, new WatchedStream(brokers, options.stream, options.consumers));
  }

  get gatewayUrls(): readonly string[] {
    return this.options.gatewayUrls;
  }
  get natsUrls(): readonly string[] {
    return this.options.natsUrls;
  }
  get postgresUrl(): string {
    return this.options.postgresUrl;
  }
  get stream(): string {
    return this.options.stream;
  }
  get consumers(): readonly string[] {
    return this.options.consumers;
  }

  link(): Link | undefined {
    return undefined;
  }

  /** No restarts of it can be held. */
  holdRestarts(): () => void {
    return () => undefined;
  }

  brokerStore(): string | undefined {
    return undefined;
  }

  brokerDisk(): BrokerDisk | undefined {
    return undefined;
  }

  connectionsOf(): Promise<number> {
    return Promise.reject(new Error('the monitoring of a running system is out of reach'));
  }

  sql(statement: string, parameters: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return runStatement(this.postgresUrl, statement, parameters);
  }

  leaderOf(what: 'stream' | { readonly consumer: string }): Promise<string | undefined> {
    return this.watched.leaderOf(what);
  }

  untilReplicasCurrent(timeoutMs: number, except?: string): Promise<void> {
    return this.watched.untilReplicasCurrent(timeoutMs, except);
  }

  /** Disconnects; the system goes on. */
  async stop(): Promise<void> {
    await this.brokers.close();
  }
}
