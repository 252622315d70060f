/** The system under test, as a fault sees it: processes to signal, links to disturb, two doors for an operator. */
import type { NatsConnection } from '@nats-io/nats-core';

/** The kinds of process. */
export type Role = 'gateway' | 'worker' | 'broker' | 'postgres';

/** A process that its supervisor starts again when it dies. */
export interface TargetProcess {
  /** "worker-1", "nats-2", "postgres". */
  readonly name: string;
  readonly role: Role;
  /** The pid of the present run; undefined while it does not run. */
  readonly pid: number | undefined;
  /** Sends a signal; false when it does not run. */
  kill(signal: NodeJS.Signals): boolean;
  /** Resolves when a run other than that of `pid` is ready; throws when the time is up. */
  untilRestarted(pid: number, timeoutMs: number): Promise<void>;
}

/** The links that lead through a proxy of ours. */
export type LinkName = 'worker-postgres' | 'worker-broker' | 'gateway-broker' | 'gateway-postgres';

/** What can happen to a link. Each state lasts until `heal`. */
export interface Link {
  readonly name: string;
  /** Every chunk arrives this much later, in both directions. */
  delay(delayMs: number): void;
  /** Every connection is reset, and new ones are refused. */
  cut(): void;
  /** Bytes vanish in both directions. Nothing is closed, and new connections are accepted and ignored. */
  blackHole(): void;
  /** One side is reset, the other does not notice; new connections pass. */
  halfOpen(): void;
  /** Everything passes again; connections that were disturbed are reset. */
  heal(): void;
}

/** How a system of the judge's own can be prepared before the load, because some faults need it. */
export type Preparation = 'disks' | 'routes';

/** A small separate disk on which a broker keeps its streams. */
export interface BrokerDisk {
  /** Fills it to the last byte. Throws when the file that does so cannot be written. */
  fill(): Promise<void>;
  /** Gives back the room that filling took. It may be called again. */
  free(): Promise<void>;
}

/** The routes between the brokers, which lead through proxies of ours. Clients do not use them. */
export interface BrokerRoutes {
  /** Separates one broker from all others: routes are reset and new ones refused, or every byte vanishes. */
  isolate(name: string, how: 'reset' | 'silence'): void;
  /** Every broker may reach every other. */
  heal(): void;
}

/** Everything that a fault may touch. */
export interface Target {
  readonly processes: readonly TargetProcess[];
  /** Undefined when no link of that name leads through a proxy. */
  link(name: LinkName): Link | undefined;
  /** While held, a process that dies is not started again. Calls nest. Returns the release. */
  holdRestarts(): () => void;
  /** The directory of a broker's stream data; undefined when it cannot be reached. */
  brokerStore(name: string): string | undefined;
  /** The data directory of Postgres; undefined when it cannot be reached. */
  readonly databaseDirectory: string | undefined;
  /** Undefined when a broker has no separate disk that can be filled. */
  brokerDisk(name: string): BrokerDisk | undefined;
  /** Undefined when the routes do not lead through proxies. */
  readonly routes: BrokerRoutes | undefined;
  /** How many connections a broker has from a role, by the names that programs give them. Throws without an answer. */
  connectionsOf(role: 'gateway' | 'worker', broker: string): Promise<number>;
  readonly stream: string;
  /** Durable consumers of the stream that must settle everything. */
  readonly consumers: readonly string[];
  /** Runs one statement as the owner of the database, on a separate connection, past every proxy. */
  sql(statement: string, parameters?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** URL of Postgres, for the fault that needs its own connections. */
  readonly postgresUrl: string;
  /** A connection of the judge to the brokers, past every proxy, for requests to `$JS.API`. */
  readonly brokers: NatsConnection;
  /** The server name of the leader of the stream, or of a consumer of it; undefined during an election. */
  leaderOf(what: 'stream' | { readonly consumer: string }): Promise<string | undefined>;
  /**
   * Resolves when every replica of the stream and of its consumers is online and current. Throws when the time is up. A
   * broker `except` is left out: it is known to be down, and must not lead either.
   */
  untilReplicasCurrent(timeoutMs: number, except?: string): Promise<void>;
}
