/** The answer to `GET /system`. What does not answer is null. */
export interface SystemView {
  readonly brokers: BrokersView | null;
  readonly database: DatabaseView | null;
  /** Null when the database does not answer. */
  readonly gateways: readonly ProgramView[] | null;
  readonly workers: readonly ProgramView[] | null;
  /** Whether there are more of both than an answer lists. */
  readonly more_programs: boolean;
  readonly retention: RetentionView | null;
  /** The newest results, the newest first. */
  readonly audits: readonly AuditView[] | null;
}

/** The brokers that hold the stream. */
export interface BrokersView {
  readonly stream: {
    readonly name: string;
    readonly messages: number;
    readonly bytes: number;
    /** Null where the stream has no bound. */
    readonly bytes_max: number | null;
    readonly age_seconds_max: number | null;
    readonly first_seq: number;
    readonly last_seq: number;
  };
  /** Null when there is none. */
  readonly consumer: {
    readonly name: string;
    /** Up to here every message is settled. */
    readonly ack_floor: number;
    /** Delivered, and not settled. */
    readonly unsettled: number;
    readonly undelivered: number;
  } | null;
  readonly quorum: {
    readonly members: number;
    readonly answering: number;
    /** How many have to answer, so that events are taken. */
    readonly needed: number;
  };
  readonly members: readonly BrokerView[];
}

/** What a broker is to the stream, or to its consumer. */
export type BrokerRole = 'leader' | 'replica';

/** One broker. */
export interface BrokerView {
  readonly name: string;
  readonly stream: BrokerRole | null;
  readonly consumer: BrokerRole | null;
  readonly answers: boolean;
  /** Operations that its copy of the stream lacks, as the leader knows it. */
  readonly behind: number;
}

/** Postgres. */
export interface DatabaseView {
  readonly version: string;
  readonly started_at: string;
  readonly bytes: number;
  readonly connections: number;
  readonly connections_max: number;
  /** Servers that follow this one. */
  readonly standbys: number;
  /** The days of events that are there. */
  readonly days: number;
  readonly oldest_day: string | null;
  /** Events before this day have a partition. */
  readonly prepared_until: string | null;
}

/** A gateway or a worker, as it says itself every ten seconds. */
export interface ProgramView {
  readonly host: string;
  readonly process: number;
  readonly started_at: string;
  /** Since it last said so. */
  readonly seen_seconds: number;
  /** The broker that it is connected to. */
  readonly broker: string | null;
  readonly state: string;
  /** Messages that it is about to publish or to settle. */
  readonly held: number;
  /** What a gateway had acknowledged, or a worker decided, since it started. */
  readonly messages: number;
  readonly per_second: number;
  /** When a worker last dropped all that was older than its rule. */
  readonly retention_at: string | null;
}

/** How long what is stored is kept. */
export interface RetentionView {
  /** The first rule that matches a topic decides; a topic without one keeps its payloads. */
  readonly payloads: readonly { readonly pattern: string; readonly days: number | null }[];
  /** Null is for ever. */
  readonly rows: {
    readonly duplicate: number | null;
    readonly conflict: number | null;
    readonly dead_letter: number | null;
  };
}

/** What an audit found. */
export interface AuditView {
  readonly verdict: 'whole' | 'violated' | 'unknown';
  readonly summary: string;
  readonly stream: string;
  readonly sequences: number;
  readonly in_flight: number;
  readonly ended_at: string;
  readonly seconds: number;
  readonly host: string;
  /** The role of the database as which it was connected. */
  readonly role: string;
}
