/** The query of `GET /histogram`: its parameters and their meaning. */
import { topicFilterError } from '#contracts';
import { isHistogramStep, longerStep, type HistogramQuestion } from '#store';
import { instantParameter, refuseOtherParameters, wrongParameter } from '../events/filter-query.js';

/** A histogram has this many buckets, at most. */
export const BUCKETS_MAX = 1_500;
/** The length of a histogram that names no beginning, in seconds. */
const WINDOW_DEFAULT = 3_600;
/** Without a step, the shortest of these is taken with no more buckets than that. */
const STEPS_DEFAULT = [60, 300, 900, 3_600, 21_600, 86_400];
const BUCKETS_DEFAULT_MAX = 360;

/** Postgres has no instants for buckets of any length. */
const STEP_DAYS_MAX = 36_500;

const PARAMETERS = ['topic', 'since', 'until', 'step'];
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** A valid query. */
export interface HistogramQuery extends Omit<HistogramQuestion, 'topics'> {
  /** A topic or a pattern. */
  readonly topic: string | undefined;
}

/**
 * Reads the query string of a request, without its `?`. Throws a 400 problem that names the parameter.
 *
 * @param now in milliseconds since 1970: where a histogram ends that names no end
 */
export function readHistogramQuery(queryString: string, now: number): HistogramQuery {
  const parameters = new URLSearchParams(queryString);
  refuseOtherParameters(parameters, PARAMETERS);
  const topic = parameters.get('topic') ?? undefined;
  const topicError = topic === undefined ? undefined : topicFilterError(topic);
  if (topicError !== undefined) throw wrongParameter('topic', `"topic" is ${topicError}.`);
  const until = secondsOf(instantParameter(parameters, 'until')) ?? now / 1_000;
  const since = secondsOf(instantParameter(parameters, 'since')) ?? until - WINDOW_DEFAULT;
  const asked = readStep(parameters.get('step')) ?? stepFor(until - since);
  const stepSeconds = longerStep(asked, (until - since) / BUCKETS_MAX);
  return { topic, since, until, stepSeconds };
}

function readStep(text: string | null): number | undefined {
  if (text === null) return undefined;
  const [, digits = '', unit = 's'] = /^([1-9]\d{0,8})([smhd])?$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNITS[unit] ?? 1);
  if (isHistogramStep(seconds) && seconds <= STEP_DAYS_MAX * 86_400) return seconds;
  const detail = `"step" must be whole minutes that divide a day, or whole days, ${STEP_DAYS_MAX.toLocaleString('en')} at most: for example 60, 5m, 1h or 1d. Seconds need no unit.`;
  throw wrongParameter('step', detail);
}

function stepFor(seconds: number): number {
  const days = Math.ceil(seconds / 86_400 / BUCKETS_DEFAULT_MAX) * 86_400;
  return STEPS_DEFAULT.find((step) => seconds / step <= BUCKETS_DEFAULT_MAX) ?? days;
}

function secondsOf(instant: string | undefined): number | undefined {
  return instant === undefined ? undefined : Date.parse(instant) / 1_000;
}
