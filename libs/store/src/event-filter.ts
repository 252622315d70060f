/** The conditions on events, and how those on payloads are written in SQL. */
import { LEVEL_SPELLINGS, LEVELS, type Level } from '#contracts';

/** The conditions on events. A property that is left out does not restrict. */
export interface EventFilter extends PayloadFilter {
  /** A topic or a pattern, see `matchesTopic`. */
  readonly topic?: string | undefined;
  /**
   * Topics, and prefixes that end in `.>`. A page reveals nothing about events of other topics, not even their
   * sequences.
   */
  readonly topics?: readonly string[] | undefined;
  readonly source?: string | undefined;
  /** The earliest `timestamp`, included, in UTC. */
  readonly since?: string | undefined;
  /** The latest `timestamp`, excluded, in UTC. */
  readonly until?: string | undefined;
}

/** The conditions on payloads. No index of the present day has them, so they are tried on each event of a walk there. */
export interface PayloadFilter {
  /** Of each group, the payload contains one object at least. Objects are JSON texts. */
  readonly where?: readonly (readonly string[])[] | undefined;
  /** A part of the payload's JSON text, as it stands there. Small and capital letters are the same. */
  readonly text?: string | undefined;
  /** The least severe level. An event without a level does not match. */
  readonly levelMin?: Level | undefined;
}

/** Whether a filter has conditions on payloads. */
export function readsPayloads({ where = [], text, levelMin }: PayloadFilter): boolean {
  return where.length > 0 || text !== undefined || levelMin !== undefined;
}

/** A piece of SQL with its parameters. */
export interface Condition {
  /** Begins with AND, or is empty. */
  readonly sql: string;
  readonly values: readonly unknown[];
}

/**
 * Writes the conditions on payloads.
 *
 * @param first the number of their first parameter
 */
export function payloadCondition({ where = [], text, levelMin }: PayloadFilter, first: number): Condition {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${first - 1 + values.push(value)}`;
  // The cheapest come first, because Postgres tries conditions of the same price in their order.
  const groups = where.map((objects) =>
    objects.map((object) => `payload @> ${parameter(object)}::jsonb`).join(' OR '),
  );
  const conditions = [
    ...groups.map((group) => `(${group})`),
    ...(levelMin === undefined ? [] : [`${LEVEL} >= ${parameter(LEVELS.indexOf(levelMin))}::integer`]),
    ...(text === undefined ? [] : [`payload::text ILIKE ${parameter(`%${likeText(text)}%`)}`]),
  ];
  return { sql: conditions.map((condition) => `\n      AND ${condition}`).join(''), values };
}

/** A condition that an index of closed days has, and which one (payload-indexes.ts). */
export interface IndexedCondition extends Condition {
  readonly kind: 'fields' | 'text';
}

/**
 * Writes those conditions on payloads that an index has. Events that meet them may still fail others.
 *
 * @param first the number of their first parameter
 * @returns `undefined` when an index has none of them
 */
export function indexedCondition(
  { where = [], text }: PayloadFilter,
  first: number,
): IndexedCondition | undefined {
  const groups = where.filter((objects) => objects.every((object) => hasScalar(JSON.parse(object))));
  if (groups.length > 0) return { kind: 'fields', ...payloadCondition({ where: groups }, first) };
  // An index of trigrams finds words of three letters or more. Which other characters are letters depends on the locale.
  if (text === undefined || !/[a-z0-9]{3}/i.test(text)) return undefined;
  return { kind: 'text', ...payloadCondition({ text }, first) };
}

/** The index has the scalars of a payload with their paths. An object without one would have it read as a whole. */
function hasScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Object.values(value).some(hasScalar);
}

function likeText(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

/** The names under which loggers, OTLP, the journal and Loki's clients keep a level, the most usual first. */
const WORD = `nullif(coalesce(payload->>'level', payload->>'severity', payload->>'severity_text', payload->>'PRIORITY',
        payload->>'log.level', payload->'log'->>'level', payload->'labels'->>'level', payload->'metadata'->>'detected_level'), '')`;

const rank = (level: Level): number => LEVELS.indexOf(level);

/** By number, as syslog counts (RFC 5424). */
const SYSLOG = (['emergency', 'alert', 'critical', 'error', 'warn', 'notice', 'info', 'debug'] as const).map(
  rank,
);
/** By tens, as bunyan and pino count. */
const TENS = (['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const).map(rank);
/** Each by four, as OpenTelemetry counts. */
const FOURS = TENS;

const WORDS = LEVELS.map(
  (level) =>
    `WHEN lower(word) IN (${LEVEL_SPELLINGS[level].map((word) => `'${word}'`).join(', ')}) THEN ${rank(level)}`,
).join(' ');

/** The rank of an event's level; null when it has none. */
const LEVEL = `(
        SELECT CASE WHEN number ~ '^([1-9]|1[0-9]|2[0-4])$' AND word IS NULL THEN (ARRAY[${FOURS.join(', ')}])[(number::integer + 3) / 4]
          WHEN word ~ '^[0-7]$' THEN (ARRAY[${SYSLOG.join(', ')}])[word::integer + 1]
          WHEN word ~ '^[1-6][0-9]$' THEN (ARRAY[${TENS.join(', ')}])[word::integer / 10]
          ${WORDS} END
        FROM (SELECT ${WORD} AS word, payload->>'severity_number' AS number) level)`;
