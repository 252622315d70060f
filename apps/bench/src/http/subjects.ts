/**
 * The subjects of the HTTP groups: what is sent to each of them, and where the accepted events must be found.
 *
 * A subject that answers 2xx and stores nothing would win every benchmark. After each round, the number of events found
 * must have grown by exactly the number accepted. Any other number ends the run with `WrongSubjectError`.
 */
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { interleave, type Measured, type Series, seriesOf, type Unit } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import {
  perEventUs,
  type ProcessorMs,
  type ProcessorUs,
  usedBetween,
} from '../environment/processor-time.js';
import type { Program } from '../environment/program.js';
import type { Environment } from '../environment/environment.js';
import { WrongSubjectError } from '../wrong-subject.js';
import { ELSEWHERE_CONNECTION } from './event-numbers.js';
import type { LoadOrder, LoadReport, PublishOrder, PublishReport } from './load-order.js';
import { runToReport } from './program-run.js';
import type { RequestForm } from './request-body.js';
import type { StreamGauge } from './stream-gauge.js';
import { TYPICAL_TABLE } from './typical-table.js';

/** The part of a round before the measured time, and its longest duration. */
const LEAD_IN_SHARE = 0.2;
const LEAD_IN_MS_MAX = 1_000;
/** What another gateway takes before a round, to be repeated again and again. */
const ELSEWHERE_EVENTS = 20_000;

/** What a subject did in one round. */
export interface Round {
  readonly figure: number;
  /** Different events that it accepted. */
  readonly accepted: number;
  readonly processorUs?: ProcessorUs | undefined;
}

/** A subject whose rounds alternate with those of others: see `interleave`. */
export interface Subject {
  readonly role: Series['role'];
  readonly subject: string;
  readonly unit: Unit;
  readonly measure: () => Promise<Measured>;
}

/** What is sent over HTTP, and over how many connections. */
export interface HttpLoad {
  /** The program that receives the load. */
  readonly program: Program;
  readonly path: string;
  /** JSON when it is left out. */
  readonly form?: RequestForm;
  readonly connections: number;
  readonly eventsPerRequest: number;
  readonly durationMs: number;
}

/** The place where accepted events end up. */
export interface Destination {
  /** Makes room before a round. */
  clear(): Promise<void>;
  /** The number of events there. */
  count(): Promise<number>;
}

/** Creates a subject. Each of its rounds is checked against the events that are found behind it. */
export function checkedSubject(
  name: Pick<Subject, 'role' | 'subject' | 'unit'>,
  destination: Destination,
  round: () => Promise<Round>,
): Subject {
  return {
    ...name,
    measure: async () => {
      await destination.clear();
      const before = await destination.count();
      const { figure, accepted, processorUs } = await round();
      const grown = (await destination.count()) - before;
      if (grown !== accepted) {
        throw new WrongSubjectError(`${name.subject} accepted ${accepted} events, but ${grown} were found.`);
      }
      if (!(figure > 0)) throw new WrongSubjectError(`${name.subject} did nothing in its round.`);
      return { value: figure, processorUs };
    },
  };
}

/** One round of HTTP load. Throws `WrongSubjectError` when a request ended with anything but 2xx. */
export async function httpRound(environment: Environment, load: HttpLoad, unit: Unit): Promise<Round> {
  const { program, ...amount } = load;
  const before = environment.processorMs(program);
  const report = await loadReport(environment, program, {
    ...amount,
    repeatShare: 0,
    idPrefix: newIdPrefix(),
  });
  const processorUs = eventCost(before, environment.processorMs(program), report.differentAccepted);
  return {
    figure: unit === 'requests/s' ? report.requestsPerSecond : report.eventsPerSecond,
    accepted: report.differentAccepted,
    processorUs,
  };
}

/** What is repeated: the share of the events, and the gateway that has taken them before. */
export interface RepeatsElsewhere {
  readonly share: number;
  readonly gateway: Program;
}

/**
 * One round in which a share of the events are repeats of what another gateway has taken just before.
 *
 * A repeat costs next to nothing in the stream, so processor time per accepted event would say nothing.
 */
export async function repeatRound(
  environment: Environment,
  load: HttpLoad,
  { share, gateway }: RepeatsElsewhere,
): Promise<Round> {
  const { program, ...amount } = load;
  const idPrefix = newIdPrefix();
  const taken = await loadReport(environment, gateway, {
    ...amount,
    connections: 1,
    firstConnection: ELSEWHERE_CONNECTION,
    eventsMax: ELSEWHERE_EVENTS,
    repeatShare: 0,
    idPrefix,
  });
  const elsewhere = taken.differentAccepted;
  const report = await loadReport(environment, program, {
    ...amount,
    repeatShare: share,
    elsewhere,
    idPrefix,
  });
  return { figure: report.eventsPerSecond, accepted: elsewhere + report.differentAccepted };
}

async function loadReport(
  environment: Environment,
  program: Program,
  order: Omit<LoadOrder, 'url' | 'leadInMs'>,
): Promise<LoadReport> {
  const whole: LoadOrder = { ...order, url: program.url, leadInMs: leadIn(order.durationMs) };
  const report = await runToReport<LoadReport>(environment, 'load', 'bench/src/http/load.js', whole);
  const { failed, refused, firstFailure } = report;
  if (failed + refused > 0) {
    throw new WrongSubjectError(
      `${program.name} failed ${failed} requests (${firstFailure ?? 'none'}) and refused ${refused}.`,
    );
  }
  return report;
}

/** A client that publishes without HTTP, for a time. */
export interface PublishLoad {
  readonly durationMs: number;
  /** Events that wait for the brokers at a time; as many as of a gateway when it is left out. */
  readonly inFlight?: number;
  /** From `dist/apps`; the baseline when it is left out. */
  readonly script?: string;
}

/** One round of a client that publishes without HTTP. */
export async function publishRound(
  environment: Environment,
  { durationMs, inFlight, script = 'bench/src/http/baseline-publish.js' }: PublishLoad,
): Promise<Round> {
  const order: PublishOrder = {
    repeatShare: 0,
    idPrefix: newIdPrefix(),
    leadInMs: leadIn(durationMs),
    durationMs,
    ...(inFlight !== undefined && { inFlight }),
  };
  const { report, processorUs } = await costedRun<PublishReport>(
    environment,
    { name: 'publish', script, order },
    ({ differentAccepted }) => differentAccepted,
  );
  return { figure: report.eventsPerSecond, accepted: report.differentAccepted, processorUs };
}

/** A program for `costedRun`. */
export interface CostedProgram {
  readonly name: string;
  /** From `dist/apps`. */
  readonly script: string;
  readonly order: object;
}

/**
 * Runs a program that publishes, to its report, and says what each of its events cost.
 *
 * @param eventsOf the number of events, from the report
 */
export async function costedRun<T extends { readonly processorMs: number }>(
  environment: Environment,
  { name, script, order }: CostedProgram,
  eventsOf: (report: T) => number,
): Promise<{ readonly report: T; readonly processorUs: ProcessorUs | undefined }> {
  const before = environment.processorMs();
  const report = await runToReport<T>(environment, name, script, order);
  const after = environment.processorMs();
  // The program has ended by now, so its report has its processor time.
  const spent = after && { ...after, program: report.processorMs };
  return { report, processorUs: eventCost(before, spent, eventsOf(report)) };
}

/** The whole processor time of a round per accepted event, lead-in included. */
function eventCost(
  before: ProcessorMs | undefined,
  after: ProcessorMs | undefined,
  events: number,
): ProcessorUs | undefined {
  return before && after && events > 0 ? perEventUs(usedBetween(before, after), events) : undefined;
}

/** The stream, emptied before each round: the events of five rounds would fill the disk. */
export function inStream(gauge: StreamGauge): Destination {
  return { clear: () => gauge.empty(), count: () => gauge.messages() };
}

/** The table of `typical-http.ts`. It keeps its rows, as a user's table would. */
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

/** Receives every round's value. Round 0 is the warm-up. */
export type OnRound = (subject: string, round: number, value: number) => void;

/** Measures the rounds of subjects, which alternate. */
export async function measureRounds(
  subjects: readonly Subject[],
  sizes: Sizes,
  onRound: OnRound,
): Promise<Series[]> {
  const values = await interleave(subjects, sizes, ({ subject }, round, { value }: Measured) =>
    onRound(subject, round, value),
  );
  return subjects.map((one) => seriesOf(one, values.get(one)));
}

/** The first part of every event id of one round. */
export function newIdPrefix(): string {
  return randomBytes(6).toString('hex');
}

/** How long a load runs before its measured time. */
export function leadIn(durationMs: number): number {
  return Math.min(LEAD_IN_MS_MAX, durationMs * LEAD_IN_SHARE);
}
