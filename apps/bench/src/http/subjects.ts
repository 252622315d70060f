/**
 * The subjects of the HTTP groups: what each is sent, and where what it accepted must be found.
 *
 * A subject that answers 2xx for events that are nowhere would win every benchmark. After each turn the events found
 * behind it must have grown by exactly those it accepted; anything else ends the run with `WrongSubjectError`.
 */
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { Series, Unit } from '../measurement.js';
import type { Stage } from '../stage/stage.js';
import type { LoadOrder, LoadReport, PublishOrder, PublishReport } from './load-order.js';
import { runToReport } from './program-run.js';
import type { StreamGauge } from './stream-gauge.js';
import { TYPICAL_TABLE } from './typical-table.js';

/** Part of a turn before the measured time, and the longest it lasts. */
const LEAD_IN_SHARE = 0.2;
const LEAD_IN_MS_MAX = 1_000;

/** A subject did not do what it said; its figure would be worth nothing. */
export class WrongSubjectError extends Error {
  override readonly name = 'WrongSubjectError';
}

/** What a subject did in one turn. */
export interface Turn {
  readonly figure: number;
  /** Different events it accepted. */
  readonly accepted: number;
}

/** One that takes turns with others: see `interleave`. */
export interface Subject {
  readonly role: Series['role'];
  readonly subject: string;
  readonly unit: Unit;
  readonly measure: () => Promise<number>;
}

/** What is sent over HTTP, and over how many connections. */
export interface HttpLoad {
  readonly url: string;
  readonly path: string;
  readonly connections: number;
  readonly eventsPerRequest: number;
  readonly durationMs: number;
}

/** Where events end that a subject accepted. */
export interface Destination {
  /** Makes room before a turn. */
  clear(): Promise<void>;
  /** How many events are there. */
  count(): Promise<number>;
}

/** Makes a subject whose every turn is checked against what is found behind it. */
export function checkedSubject(
  name: Pick<Subject, 'role' | 'subject' | 'unit'>,
  destination: Destination,
  turn: () => Promise<Turn>,
): Subject {
  return {
    ...name,
    measure: async () => {
      await destination.clear();
      const before = await destination.count();
      const { figure, accepted } = await turn();
      const grown = (await destination.count()) - before;
      if (grown !== accepted) {
        throw new WrongSubjectError(`${name.subject} accepted ${accepted} events, but ${grown} were found.`);
      }
      if (!(figure > 0)) throw new WrongSubjectError(`${name.subject} did nothing in its turn.`);
      return figure;
    },
  };
}

/** One turn of HTTP load. Throws `WrongSubjectError` when a request ended with anything but 2xx. */
export async function httpTurn(stage: Stage, load: HttpLoad, unit: Unit): Promise<Turn> {
  const order: LoadOrder = {
    ...load,
    repeatShare: 0,
    idPrefix: newIdPrefix(),
    leadInMs: leadIn(load.durationMs),
  };
  const report = await runToReport<LoadReport>(stage, 'load', 'bench/src/http/load.js', order);
  const { failed, refused, firstFailure } = report;
  if (failed + refused > 0) {
    throw new WrongSubjectError(
      `${load.url} failed ${failed} requests (${firstFailure ?? 'none'}) and refused ${refused}.`,
    );
  }
  return {
    figure: unit === 'requests/s' ? report.requestsPerSecond : report.eventsPerSecond,
    accepted: report.differentAccepted,
  };
}

/** One turn of the client that publishes without HTTP. */
export async function publishTurn(stage: Stage, durationMs: number): Promise<Turn> {
  const order: PublishOrder = {
    repeatShare: 0,
    idPrefix: newIdPrefix(),
    leadInMs: leadIn(durationMs),
    durationMs,
  };
  const report = await runToReport<PublishReport>(
    stage,
    'bare-publish',
    'bench/src/http/bare-publish.js',
    order,
  );
  return { figure: report.eventsPerSecond, accepted: report.differentAccepted };
}

/** The stream, emptied before each turn: what five rounds publish would fill the disk. */
export function inStream(gauge: StreamGauge): Destination {
  return { clear: () => gauge.empty(), count: () => gauge.messages() };
}

/** The table of `typical-http.ts`, which keeps its rows, as a user's would. */
export function inTable(pool: Pool): Destination {
  return {
    clear: () => Promise.resolve(),
    count: async () => {
      const { rows } = await pool.query<{ count: number }>(
        `SELECT count(*)::float8 AS count FROM ${TYPICAL_TABLE}`,
      );
      return rows[0]?.count ?? 0;
    },
  };
}

/** The first part of every event id of one turn. */
export function newIdPrefix(): string {
  return randomBytes(6).toString('hex');
}

/** How long a load runs before its measured time. */
export function leadIn(durationMs: number): number {
  return Math.min(LEAD_IN_MS_MAX, durationMs * LEAD_IN_SHARE);
}
