/**
 * Which gateways and workers run, as they say themselves: a row of each, which it writes again and again.
 *
 *   started ─▶ row written ─10 s─▶ written again …  ─stopped─▶ row deleted
 *                                                   ─killed──▶ row grows old, and goes after an hour
 *
 * Three designs were considered:
 *
 * - The connections that Postgres shows. A program has several, and none of them says what it does.
 * - A question that each program answers over the brokers. What hangs or was killed would be missing, not noticed.
 * - A row of each program, which is in use. It costs one small statement in ten seconds, in no one's way.
 *
 * Nothing is decided by these rows: they are for people.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Queryable } from '#postgres';
import { withTimeout } from '#waiting';

/** The programs that have a row. */
export type ProgramKind = 'gateway' | 'worker';

/** What a program says of itself. */
export interface ProgramFigures {
  /** The broker that it is connected to. */
  readonly broker: string | undefined;
  /** What it does, in a word. */
  readonly state: string;
  /** Messages that it is about to publish or to settle. */
  readonly held: number;
  /** Messages that were acknowledged to it, or that it has decided, since it started. */
  readonly messages: number;
  /** When it last dropped all that was older than its rule; a worker knows it. */
  readonly retentionAtMs?: number | undefined;
}

/** A program as its row shows it. */
export interface KnownProgram extends Omit<ProgramFigures, 'broker' | 'retentionAtMs'> {
  readonly kind: ProgramKind;
  readonly host: string;
  /** Its number on its host. */
  readonly process: number;
  readonly startedAt: Date;
  /** The seconds since it last wrote its row. */
  readonly seenSeconds: number;
  readonly broker: string | null;
  readonly perSecond: number;
  readonly retentionAt: Date | null;
}

/** Options of a program's row. */
export interface RunningProgramOptions {
  readonly kind: ProgramKind;
  readonly figures: () => ProgramFigures;
  /** Called when a write fails, once per outage. */
  readonly onOutage: (error: unknown) => void;
  /** The default is 10 s. */
  readonly everyMs?: number;
}

const EVERY_MS = 10_000;
const STOP_MS_MAX = 1_000;
const TEXT_BYTES_MAX = 255;

// The process itself knows for how long it has run, and the database what time it is.
const NOTE = `
INSERT INTO sekali.program AS known (program_id, kind, host, process, started_at, broker, state, held, messages, per_second, retention_at)
VALUES ($1, $2, $3, $4, now() - make_interval(secs => $5), $6, $7, $8, $9, $10, $11)
ON CONFLICT (program_id) DO UPDATE SET seen_at = now(), broker = excluded.broker, state = excluded.state,
  held = excluded.held, messages = excluded.messages, per_second = excluded.per_second, retention_at = excluded.retention_at`;
const FORGET = `DELETE FROM sekali.program WHERE program_id = $1`;
/** It is a statement of its own, so that two programs never wait for each other's rows. */
const FORGET_ENDED = `DELETE FROM sekali.program WHERE seen_at < now() - interval '1 hour'`;
const KNOWN = `
SELECT kind, host, process, started_at AS "startedAt", extract(epoch FROM now() - seen_at)::float8 AS "seenSeconds",
  broker, state, held, messages::float8 AS messages, per_second AS "perSecond", retention_at AS "retentionAt"
FROM sekali.program ORDER BY seen_at < now() - interval '1 minute', kind, started_at, program_id LIMIT $1`;

/** Says in the database that this program runs, until it is stopped. */
export class RunningProgram {
  private readonly id = randomUUID();
  private readonly host = textOf(hostname()) ?? '';
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private isOut = false;
  private isStopped = false;
  private before: { readonly messages: number; readonly atMs: number } | undefined;

  constructor(
    private readonly database: Queryable,
    private readonly options: RunningProgramOptions,
  ) {}

  /** Writes the row, now and then again and again. An outage of the database only delays it. */
  start(): void {
    this.write();
    this.timer = setInterval(() => {
      this.write();
    }, this.options.everyMs ?? EVERY_MS);
    this.timer.unref();
  }

  /** Deletes the row, where the database answers soon. It is called before the connections are closed. It never rejects. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    const forgetting = (async () => {
      await this.writing;
      await this.database.query(FORGET, [this.id]);
    })();
    await withTimeout(STOP_MS_MAX, forgetting).catch(() => undefined);
  }

  private write(): void {
    if (this.isStopped || this.writing !== undefined) return;
    this.writing = this.note()
      .then(
        () => {
          this.isOut = false;
        },
        (error: unknown) => {
          if (!this.isOut && !this.isStopped) this.options.onOutage(error);
          this.isOut = true;
        },
      )
      .finally(() => (this.writing = undefined));
  }

  private async note(): Promise<void> {
    const { broker, state, held, messages, retentionAtMs } = this.options.figures();
    const atMs = performance.now();
    const { before } = this;
    this.before = { messages, atMs };
    const perSecond =
      before === undefined ? 0 : ((messages - before.messages) * 1_000) / (atMs - before.atMs);
    await this.database.query(NOTE, [
      ...[this.id, this.options.kind, this.host, process.pid, process.uptime()],
      ...[textOf(broker) ?? null, state, held, messages, perSecond],
      retentionAtMs === undefined ? null : new Date(retentionAtMs),
    ]);
    await this.database.query(FORGET_ENDED);
  }
}

/** Returns the gateways and workers of which there is a row. @param limit of both kinds together */
export async function knownPrograms(database: Queryable, limit: number): Promise<KnownProgram[]> {
  return (await database.query<KnownProgram & Record<string, unknown>>(KNOWN, [limit])).rows;
}

/** Names are of others, and a row has a bound. */
function textOf(name: string | undefined): string | undefined {
  if (name === undefined || Buffer.byteLength(name) <= TEXT_BYTES_MAX) return name;
  return name.slice(0, Math.floor(TEXT_BYTES_MAX / 4));
}
