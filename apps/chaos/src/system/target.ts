/** The system under test, as a fault sees it: processes to signal, links to disturb, two doors for an operator. */
import type { NatsConnection } from '@nats-io/nats-core';

/** The kinds of process. */
export type Role = 'gateway' | 'worker' | 'broker' | 'postgres';

/** A process that is started again, by somebody else, when it dies. */
export interface TargetProcess {
  /** "worker-1", "nats-2", "postgres". */
  readonly name: string;
  readonly role: Role;
  /** Of the present run; undefined while it does not run. */
  readonly pid: number | undefined;
  /** Sends a signal; false when it does not run. */
  kill(signal: NodeJS.Signals): boolean;
  /** Resolves when a run other than that of `pid` is ready; throws when the time is up. */
  untilRestarted(pid: number, timeoutMs: number): Promise<void>;
}

/** The links that lead through a proxy of ours. */
export type LinkName = 'worker-postgres' | 'worker-broker' | 'gateway-broker' | 'gateway-postgres';

/** What a link can suffer. Each lasts until `heal`. */
export interface Link {
  readonly name: string;
  /** Every chunk arrives later by so much, in both directions. */
  delay(delayMs: number): void;
  /** Every connection is reset, and new ones are refused. */
  cut(): void;
  /** Bytes vanish in both directions; nothing is closed, new connections are taken and left alone. */
  blackHole(): void;
  /** One side is reset, the other never hears of it; new connections pass. */
  halfOpen(): void;
  /** As before; connections that were disturbed are reset. */
  heal(): void;
}

/** What can be done to a system of the judge's own before the load, because some faults need it. */
export type Preparation = 'disks' | 'routes';

/** A small disk of its own that a broker keeps its streams on. */
export interface BrokerDisk {
  /** Fills it to the last byte. Throws when the file that does so cannot be written. */
  fill(): Promise<void>;
  /** Gives back the room that filling took. Repeatable. */
  free(): Promise<void>;
}

/** The routes between the brokers, which lead through proxies of ours. Clients do not pass there. */
export interface BrokerRoutes {
  /** Takes one broker away from all others: routes are reset and new ones refused, or every byte vanishes. */
  isolate(name: string, how: 'reset' | 'silence'): void;
  /** Every broker may reach every other. */
  heal(): void;
}

/** Everything that a fault may touch. */
export interface Target {
  readonly processes: readonly TargetProcess[];
  /** Undefined where no link of that name leads through a proxy. */
  link(name: LinkName): Link | undefined;
  /** While held, what dies stays dead: nobody starts it again. Calls nest. Returns the release. */
  holdRestarts(): () => void;
  /** The directory of a broker's stream data; undefined where it cannot be reached. */
  brokerStore(name: string): string | undefined;
  /** Undefined where a broker has no disk of its own that can be filled. */
  brokerDisk(name: string): BrokerDisk | undefined;
  /** Undefined where the routes do not lead through proxies. */
  readonly routes: BrokerRoutes | undefined;
  /** How many connections, by the names that programs give them, a broker has from a role. Throws without an answer. */
  connectionsOf(role: 'gateway' | 'worker', broker: string): Promise<number>;
  readonly stream: string;
  /** Durable consumers of the stream that must settle everything. */
  readonly consumers: readonly string[];
  /** Runs one statement as the owner of the database, on a connection of its own, past every proxy. */
  sql(statement: string, parameters?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** URL of Postgres, for the fault that needs connections of its own. */
  readonly postgresUrl: string;
  /** A connection of the judge to the brokers, past every proxy, for requests to `$JS.API`. */
  readonly brokers: NatsConnection;
  /** The server name of the leader of the stream, or of a consumer of it; undefined during an election. */
  leaderOf(what: 'stream' | { readonly consumer: string }): Promise<string | undefined>;
  /**
   * Resolves when every replica of the stream and of its consumers is online and current; throws when time is up.
   * A broker `except` is left out: it is known to be down, and must not lead either.
   */
  untilReplicasCurrent(timeoutMs: number, except?: string): Promise<void>;
}
