import type {
  AuditView,
  BrokersView,
  DatabaseView,
  ProgramView,
  RetentionView,
  SystemView,
} from '#contracts';
import {
  databaseState,
  keptAudits,
  knownPrograms,
  partitionSpan,
  presentRetentionRules,
  rowAges,
  type DatabaseState,
  type KeptAudit,
  type KnownProgram,
  type PartitionSpan,
  type Queryable,
} from '#store';
import { withTimeout } from '#waiting';
import type { BrokerLink } from '../broker-link.js';
import { SharedReading } from '../stats/shared-reading.js';
import { brokersView } from './brokers-view.js';

const PART_MS_MAX = 3_000;
/** Gateways and workers of one answer. */
export const PROGRAMS_MAX = 200;
const AUDITS_MAX = 10;

type DatabaseParts = Omit<SystemView, 'brokers'>;

const NO_DATABASE: DatabaseParts = {
  database: null,
  gateways: null,
  workers: null,
  more_programs: false,
  retention: null,
  audits: null,
};

/**
 * `GET /system`: what the system consists of, and what each part does.
 *
 * The brokers and the database are asked at once, and a part that does not answer is null. So the answer is most useful
 * when something is broken. Requests share readings, as those of the figures do.
 */
export class SystemState {
  private readonly brokers: SharedReading<BrokersView | null>;
  private readonly stored: SharedReading<DatabaseParts>;

  constructor(
    database: Queryable,
    private readonly broker: Pick<BrokerLink, 'stream' | 'consumer'>,
  ) {
    this.brokers = new SharedReading(async () => this.readBrokers());
    this.stored = new SharedReading(async () => readDatabase(database));
  }

  /** Reads all parts. It never rejects. */
  async read(): Promise<SystemView> {
    const [brokers, stored] = await Promise.all([
      withTimeout(PART_MS_MAX, this.brokers.ask()).catch(() => null),
      withTimeout(PART_MS_MAX, this.stored.ask()).catch(() => NO_DATABASE),
    ]);
    return { brokers, ...stored };
  }

  private async readBrokers(): Promise<BrokersView | null> {
    const [stream, consumer] = await Promise.all([this.broker.stream(), this.broker.consumer()]);
    return stream === undefined ? null : brokersView(stream, consumer);
  }
}

/** The statements follow each other, so that they take one connection. */
async function readDatabase(database: Queryable): Promise<DatabaseParts> {
  const programs = await knownPrograms(database, PROGRAMS_MAX + 1);
  const listed = programs.slice(0, PROGRAMS_MAX);
  const ofKind = (kind: KnownProgram['kind']): ProgramView[] =>
    listed.filter((program) => program.kind === kind).map(programView);
  return {
    database: databaseView(await databaseState(database), await partitionSpan(database)),
    gateways: ofKind('gateway'),
    workers: ofKind('worker'),
    more_programs: programs.length > listed.length,
    retention: await retentionView(database),
    audits: (await keptAudits(database, AUDITS_MAX)).map(auditView),
  };
}

function databaseView(state: DatabaseState, { count, sinceMs, untilMs }: PartitionSpan): DatabaseView {
  return {
    version: state.version,
    started_at: state.startedAt.toISOString(),
    bytes: state.bytes,
    connections: state.connections,
    connections_max: state.connectionsMax,
    standbys: state.standbys,
    days: count,
    oldest_day: instantOf(sinceMs),
    prepared_until: instantOf(untilMs),
  };
}

/** A partition may have no beginning or no end. */
function instantOf(ms: number | undefined): string | null {
  return ms === undefined || !Number.isFinite(ms) ? null : new Date(ms).toISOString();
}

function programView(program: KnownProgram): ProgramView {
  return {
    host: program.host,
    process: program.process,
    started_at: program.startedAt.toISOString(),
    seen_seconds: Math.max(0, program.seenSeconds),
    broker: program.broker,
    state: program.state,
    held: program.held,
    messages: program.messages,
    per_second: program.perSecond,
    retention_at: program.retentionAt?.toISOString() ?? null,
  };
}

async function retentionView(database: Queryable): Promise<RetentionView> {
  const payloads = await presentRetentionRules(database);
  const { duplicate = null, conflict = null, dead_letter = null } = await rowAges(database);
  return { payloads, rows: { duplicate, conflict, dead_letter } };
}

function auditView({ inFlight, endedAt, ...kept }: KeptAudit): AuditView {
  return { ...kept, in_flight: inFlight, ended_at: endedAt.toISOString() };
}
