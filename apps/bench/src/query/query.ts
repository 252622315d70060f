/**
 * How long a query to the gateway takes. It is compared with the same SQL through the driver alone, and with the same
 * query to a gateway whose database is nearly empty.
 *
 * Queries are sent one at a time. A round's figure is the median of its answers.
 */
import type { Pool } from 'pg';
import { Pool as HttpPool } from 'undici';
import {
  changePayloadIndexes,
  eventPage,
  FIRST_POSITION,
  findEvent,
  indexRules,
  newestPage,
  readHistogram,
  storeTotals,
  writeIndexRules,
} from '#store';
import { openPool } from '../drain/drain.js';
import { TOPICS } from '../environment/event-sequence.js';
import { fullDatabase } from '../drain/full-database.js';
import { interleave, median, type Group, type Role, type Series } from '../measurement.js';
import type { Sizes } from '../sizes.js';
import type { Environment } from '../environment/environment.js';
import { WrongSubjectError } from '../wrong-subject.js';

/** The number of keys in the database that is nearly empty. */
const FEW_KEYS = 10_000;
const PAGE_SIZE = 1_000;
const IDENTITIES = 500;
/** "The same time": a difference up to this ratio is the machine's noise. */
const FLAT_AT_MOST = 1.25;
const STREAM = 'EVENTS';

/** An event that is stored. */
interface Identity {
  readonly topic: string;
  readonly eventId: string;
}

/** A query in its two forms. */
interface Query {
  readonly name: string;
  readonly what: string;
  readonly path: (identity: Identity) => string;
  readonly ask: (pool: Pool, identity: Identity) => Promise<unknown>;
  /** How long the gateway may take, in milliseconds, instead of a comparison with a database that is nearly empty. */
  readonly msMax?: number;
}

/** One of a hundred thousand customers, whose events lie in every day. */
const CUSTOMER = 'c-777';
const DAY_SECONDS = 86_400;
const DAY_STEP_SECONDS = 300;
const BYTES_MAX = 8_388_608;

const QUERIES: readonly Query[] = [
  {
    name: 'query-page',
    what: `GET /events, ${PAGE_SIZE.toLocaleString('en')} of all`,
    path: () => `/events?limit=${PAGE_SIZE}`,
    ask: (pool) => eventPage(pool, {}, FIRST_POSITION, PAGE_SIZE, () => Promise.resolve(0)),
  },
  {
    name: 'query-topic',
    what: 'GET /events, 100 of a topic',
    path: ({ topic }) => `/events?topic=${topic}&limit=100`,
    ask: (pool, { topic }) => eventPage(pool, { topic }, FIRST_POSITION, 100, () => Promise.resolve(0)),
  },
  {
    name: 'query-one',
    what: 'GET /events/{topic}/{event_id}',
    path: ({ topic, eventId }) => `/events/${topic}/${eventId}`,
    ask: (pool, { topic, eventId }) => findEvent(pool, topic, eventId),
  },
  {
    name: 'query-stats',
    what: 'GET /stats',
    path: () => '/stats',
    ask: (pool) => storeTotals(pool, STREAM),
  },
  {
    name: 'query-where',
    what: 'GET /events?where=…&order=desc, up to 100 of a rare value',
    path: () => `/events?where=payload.customer:${CUSTOMER}&order=desc&limit=100`,
    ask: (pool) => {
      const filter = { where: [[JSON.stringify({ customer: CUSTOMER })]] };
      return newestPage(pool, filter, { limit: 100, bytesMax: BYTES_MAX }, () => Promise.resolve(0));
    },
    msMax: 300,
  },
  {
    name: 'query-histogram',
    what: 'GET /histogram, a day of ten topics',
    path: () => {
      const { since, until } = lastDay();
      const [from, to] = [since, until].map((seconds) => new Date(seconds * 1_000).toISOString());
      return `/histogram?since=${from}&until=${to}`;
    },
    ask: (pool) => readHistogram(pool, { ...lastDay(), stepSeconds: DAY_STEP_SECONDS }),
    msMax: 50,
  },
];

/** Minutes of a day as a busy system has them: eleven open ones in all shards, and the others merged. */
const MINUTES = `
INSERT INTO sekali.histogram (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
SELECT topic, CASE WHEN minute < 11 THEN 'open' ELSE 'minute' END,
  date_trunc('minute', now(), 'UTC') - minute * interval '1 minute', shard, 1000, 10, 1, 0
FROM unnest($1::text[]) AS topic, generate_series(0, ${DAY_SECONDS / 60}) AS minute, generate_series(0, 15) AS shard
WHERE minute < 11 OR shard = 0
ON CONFLICT DO NOTHING`;

function lastDay(): { readonly since: number; readonly until: number } {
  const until = Math.floor(Date.now() / 1_000);
  return { since: until - DAY_SECONDS, until };
}

/** A database, its gateway, and some of the events that it holds. */
interface QueriedSystem {
  readonly keys: number;
  readonly pool: Pool;
  readonly http: HttpPool;
  readonly identities: readonly Identity[];
  close(): Promise<void>;
}

/** What a measurement reports while it is running. */
interface QueryOptions {
  readonly onRound?: (subject: string, round: number, value: number) => void;
  readonly onProgress?: (doing: string) => void;
}

/** Measures every query: two groups each. Throws when an answer is not 200. */
export async function measureQueries(
  environment: Environment,
  sizes: Sizes,
  { onRound, onProgress = () => undefined }: QueryOptions = {},
): Promise<Group[]> {
  const many = await openSystem(environment, sizes.storedKeys, onProgress);
  const few = await openSystem(environment, fewKeys(sizes), onProgress);
  try {
    const groups: Group[] = [];
    for (const query of QUERIES) groups.push(...(await measureQuery(query, [many, few], sizes, onRound)));
    return groups;
  } finally {
    await Promise.all([many.close(), few.close()]);
  }
}

/** Builds the indexes of closed days, and fills the histogram. */
async function prepareSearches(pool: Pool, onProgress: (line: string) => void): Promise<void> {
  await writeIndexRules(pool, indexRules('>=fields'));
  onProgress('indexing payloads');
  await changePayloadIndexes(pool, {
    onChange: (name, change) => {
      onProgress(`${name} was ${change}`);
    },
  });
  await pool.query(MINUTES, [TOPICS]);
  await pool.query('VACUUM ANALYZE sekali.histogram');
}

/** The large database of a small run has fewer keys than that. */
function fewKeys({ storedKeys }: Sizes): number {
  return Math.min(FEW_KEYS, Math.floor(storedKeys / 2));
}

async function measureQuery(
  { name, what, path, ask, msMax }: Query,
  [many, few]: readonly [QueriedSystem, QueriedSystem],
  sizes: Sizes,
  onRound: QueryOptions['onRound'],
): Promise<Group[]> {
  const subject = (label: string, round: (index: number) => Promise<unknown>) => ({
    label,
    measure: () => medianMs(sizes.queriesPerRound, round),
  });
  const withFewKeys = subject(`sekali gateway, ${few.keys.toLocaleString('en')} keys`, (index) =>
    get(few.http, path(pick(few, index))),
  );
  const subjects = [
    subject('sekali gateway', (index) => get(many.http, path(pick(many, index)))),
    subject('the same SQL through pg', (index) => ask(many.pool, pick(many, index))),
    ...(msMax === undefined ? [withFewKeys] : []),
  ];
  const values = await interleave(subjects, sizes, ({ label }, round, value: number) =>
    onRound?.(`${name}: ${label}`, round, value),
  );
  const series = (index: number, role: Role): Series => {
    const one = subjects[index] as (typeof subjects)[number];
    return { role, subject: one.label, unit: 'ms', values: values.get(one) ?? [] };
  };
  const keys = sizes.storedKeys.toLocaleString('en');
  const alone: Group = {
    name,
    what: `${what}; ${keys} keys`,
    series: [series(0, 'ours'), series(1, 'ceiling')],
    targets: [],
  };
  if (msMax !== undefined) {
    const found = median(series(0, 'ours').values);
    return [{ ...alone, bounds: [{ what: 'median', unit: 'ms', found, atMost: msMax }] }];
  }
  return [
    alone,
    {
      name: `${name}-flat`,
      what: `${what}; ${keys} keys against ${few.keys.toLocaleString('en')}`,
      series: [series(0, 'ours'), series(2, 'ceiling')],
      targets: [{ against: 'ceiling', atMost: FLAT_AT_MOST }],
    },
  ];
}

async function openSystem(
  environment: Environment,
  keys: number,
  onProgress: (line: string) => void,
): Promise<QueriedSystem> {
  const { url } = await fullDatabase(environment, { keys }, onProgress);
  const pool = openPool(url);
  await prepareSearches(pool, onProgress);
  const gateway = await environment.startProgram(`gateway-${keys}`, 'gateway/src/main.js', [], {
    SEKALI_HTTP_PORT: '0',
    SEKALI_POSTGRES_URL: url,
  });
  const http = new HttpPool(gateway.url, { connections: 1 });
  const { rows } = await pool.query<Identity>(
    'SELECT topic, event_id AS "eventId" FROM sekali.event_key LIMIT $1',
    [IDENTITIES],
  );
  const close = async (): Promise<void> => {
    await http.close();
    await gateway.stop();
    await pool.end();
  };
  return { keys, pool, http, identities: rows, close };
}

function pick({ identities }: QueriedSystem, index: number): Identity {
  return identities[index % identities.length] as Identity;
}

async function get(http: HttpPool, path: string): Promise<void> {
  const { statusCode, body } = await http.request({ method: 'GET', path });
  const text = await body.text();
  if (statusCode !== 200) {
    throw new WrongSubjectError(`GET ${path} answers ${statusCode}: ${text.slice(0, 200)}`);
  }
}

async function medianMs(count: number, round: (index: number) => Promise<unknown>): Promise<number> {
  const timesMs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedAt = performance.now();
    await round(index);
    timesMs.push(performance.now() - startedAt);
  }
  return median(timesMs);
}
