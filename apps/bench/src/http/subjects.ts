/**
 * The subjects of the HTTP groups: what each is sent, and where what it accepted must be found.
 *
 * A subject that answers 2xx for events that are nowhere would win every benchmark. After each turn the events found
 * behind it must have grown by exactly those it accepted; anything else ends the run with `WrongSubjectError`.
 */
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { Measured, Series, Unit } from '../measurement.js';
import { perEventUs, type ProcessorMs, type ProcessorUs, usedBetween } from '../stage/processor-time.js';
import type { Program } from '../stage/program.js';
import type { Stage } from '../stage/stage.js';
import { WrongSubjectError } from '../wrong-subject.js';
import type { LoadOrder, LoadReport, PublishOrder, PublishReport } from './load-order.js';
import { runToReport } from './program-run.js';
import type { StreamGauge } from './stream-gauge.js';
import { TYPICAL_TABLE } from './typical-table.js';

/** Part of a turn before the measured time, and the longest it lasts. */
const LEAD_IN_SHARE = 0.2;
const LEAD_IN_MS_MAX = 1_000;

/** What a subject did in one turn. */
export interface Turn {
  readonly figure: number;
  /** Different events it accepted. */
  readonly accepted: number;
  readonly processorUs?: ProcessorUs | undefined;
}

/** One that takes turns with others: see `interleave`. */
export interface Subject {
  readonly role: Series['role'];
  readonly subject: string;
  readonly unit: Unit;
  readonly measure: () => Promise<Measured>;
}

/** What is sent over HTTP, and over how many connections. */
export interface HttpLoad {
  /** Who is sent it. */
  readonly program: Program;
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
      const { figure, accepted, processorUs } = await turn();
      const grown = (await destination.count()) - before;
      if (grown !== accepted) {
        throw new WrongSubjectError(`${name.subject} accepted ${accepted} events, but ${grown} were found.`);
      }
      if (!(figure > 0)) throw new WrongSubjectError(`${name.subject} did nothing in its turn.`);
      return { value: figure, processorUs };
    },
  };
}

/** One turn of HTTP load. Throws `WrongSubjectError` when a request ended with anything but 2xx. */
export async function httpTurn(stage: Stage, load: HttpLoad, unit: Unit): Promise<Turn> {
  const { program, ...amount } = load;
  const { url } = program;
  const order: LoadOrder = {
    ...amount,
    url,
    repeatShare: 0,
    idPrefix: newIdPrefix(),
    leadInMs: leadIn(load.durationMs),
  };
  const before = stage.processorMs(program);
  const report = await runToReport<LoadReport>(stage, 'load', 'bench/src/http/load.js', order);
  const processorUs = eventCost(before, stage.processorMs(program), report.differentAccepted);
  const { failed, refused, firstFailure } = report;
  if (failed + refused > 0) {
    throw new WrongSubjectError(
      `${program.name} failed ${failed} requests (${firstFailure ?? 'none'}) and refused ${refused}.`,
    );
  }
  return {
    figure: unit === 'requests/s' ? report.requestsPerSecond : report.eventsPerSecond,
    accepted: report.differentAccepted,
    processorUs,
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
  const before = stage.processorMs();
  const report = await runToReport<PublishReport>(
    stage,
    'bare-publish',
    'bench/src/http/bare-publish.js',
    order,
  );
  const after = stage.processorMs();
  // It has ended by now, and tells its own part.
  const processorUs = eventCost(
    before,
    after && { ...after, program: report.processorMs },
    report.differentAccepted,
  );
  return { figure: report.eventsPerSecond, accepted: report.differentAccepted, processorUs };
}

/** All that a turn took, over all that it brought, lead-in included. */
function eventCost(
  before: ProcessorMs | undefined,
  after: ProcessorMs | undefined,
  events: number,
): ProcessorUs | undefined {
  return before && after && events > 0 ? perEventUs(usedBetween(before, after), events) : undefined;
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
