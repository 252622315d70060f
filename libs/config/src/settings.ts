/**
 * Every setting of every program: its name in the environment, its bounds, its default and its purpose.
 *
 * Only libs/config reads the environment. A program takes the group of settings it needs. All problems of a group are
 * reported at once, and the result is frozen.
 */
import { accessSync, constants } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { isIndexRule, isRetentionRule, RETENTION_DAYS_MAX } from './topic-rule.js';

const integer = (min: number, max: number, initial: number): z.ZodDefault<z.ZodCoercedNumber> =>
  z.coerce.number().int().min(min).max(max).default(initial);
const text = (initial: string): z.ZodDefault<z.ZodString> => z.string().min(1).default(initial);
const token = (initial: string): z.ZodDefault<z.ZodString> =>
  z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 characters A-Z a-z 0-9 _ -')
    .default(initial);

const urls = (initial: string, pattern: RegExp, form: string): z.ZodDefault<z.ZodString> =>
  z.string().regex(pattern, `must be ${form}`).default(initial);
/** A file that this process can read. Its content is read where it is used. */
const file = (): z.ZodOptional<z.ZodString> =>
  z
    .string()
    .superRefine((path, context) => {
      try {
        accessSync(path, constants.R_OK);
      } catch (error) {
        context.addIssue({
          code: 'custom',
          message: `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
        });
      }
    })
    .optional();
/** `nats://user:password@host:4222`; the scheme and the port may be left out. */
const BROKER = '(?:(?:nats|tls)://)?[^\\s,/]+';

const days = (): z.ZodOptional<z.ZodCoercedNumber> =>
  z.coerce.number().int().min(1).max(RETENTION_DAYS_MAX).optional();

const flag = z.enum(['true', 'false']).default('false');
const filePath = z.string().min(1).optional();
/** Words joined by commas, each of which must be valid. */
const listed = (isRight: (word: string) => boolean, form: string): z.ZodOptional<z.ZodString> =>
  z
    .string()
    .refine((text) => text.split(',').every((word) => isRight(word.trim())), `must be ${form}`)
    .optional();

/** An origin in the form that a browser sends: no path, no slash at its end. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;
}

/** A host in the form of a Host header, without a port. */
function isHost(text: string): boolean {
  return /^(?:[a-z0-9._-]+|\[[\d.:a-f]+\])$/i.test(text);
}

/** `10.0.0.1`, `10.0.0.0/8`, or a name for such a range. */
function isAddressRange(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  const isLength =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 6 ? 128 : 32));
  return version !== 0 && isLength && rest.length === 0;
}

/** The addresses of the brokers and the database, and the names on them. */
export const connectionFields = {
  SEKALI_NATS_URLS: urls(
    'nats://127.0.0.1:4222',
    new RegExp(`^\\s*${BROKER}\\s*(?:,\\s*${BROKER}\\s*)*$`),
    'addresses of brokers, such as nats://host:4222,nats://host:4223',
  ).describe('Brokers, joined by commas; any one of them is enough to start with'),
  SEKALI_NATS_DISCOVERY: z
    .enum(['true', 'false'])
    .default('true')
    .describe('Whether brokers that the listed ones announce are used too; `false` behind a proxy or NAT'),
  SEKALI_NATS_NKEY_FILE: file().describe('File with the NKey seed by which the brokers know this program'),
  SEKALI_NATS_CA_FILE: file().describe(
    'File with the certificates (PEM) of the authority that signed the certificates of the brokers. With it, a connection without TLS is refused',
  ),
  SEKALI_NATS_REPLY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, 'must be tokens of A-Z a-z 0-9 _ -, joined by dots')
    .default('_INBOX')
    .describe('First tokens of the reply subjects: what the user may subscribe to, without `.>`'),
  SEKALI_NATS_API_PREFIX: z
    .string()
    .regex(/^\$?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, 'must be tokens of A-Z a-z 0-9 _ -, joined by dots')
    .default('$JS.API')
    .describe(
      'First tokens of the JetStream API in the account of this program on the brokers, without `.>`',
    ),
  SEKALI_POSTGRES_URL: urls(
    'postgres://sekali@127.0.0.1:5442/sekali',
    /^postgres(?:ql)?:\/\/\S+$/,
    'a Postgres URL, such as postgres://user:password@host:5432/database',
  ).describe('The database'),
  SEKALI_POSTGRES_PASSWORD_FILE: file().describe('File with the password, for a URL that has none'),
  SEKALI_POSTGRES_CA_FILE: file().describe(
    'File with the certificates (PEM) of the authority that signed the certificate of the database. With it, a connection without TLS, or to another name, is refused',
  ),
  SEKALI_STREAM: token('EVENTS').describe('Name of the stream'),
  SEKALI_SUBJECT_PREFIX: token('events').describe('First token of every subject: `<prefix>.<topic>`'),
  SEKALI_CONSUMER: token('store').describe('Name of the durable consumer that stores events'),
  SEKALI_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least important level that is logged'),
};

/** Where programs that run for long serve their metrics. */
export const metricsFields = {
  SEKALI_METRICS_HOST: text('127.0.0.1').describe('Address on which `/metrics` is served'),
  SEKALI_METRICS_HOSTS: listed(
    isHost,
    'host names such as worker.example, without a port, joined by commas',
  ).describe(
    'Names with a dot under which `/metrics` is asked for; addresses and names without a dot need not be listed. A request for any other is refused with 421',
  ),
  SEKALI_METRICS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe(
      'Port on which `/metrics`, and the health of a program of consumers, is served; 0 takes a free one. None when left out',
    ),
};

/** The definition of the stream and the consumer, for `setup`. */
export const streamFields = {
  SEKALI_STREAM_REPLICAS: integer(1, 5, 3).describe('Brokers that hold each message'),
  SEKALI_STREAM_BYTES_MAX: integer(1_000_000, Number.MAX_SAFE_INTEGER, 2_147_483_648).describe(
    'Bytes the stream may hold; when full, publishing is refused',
  ),
  SEKALI_STREAM_AGE_SECONDS_MAX: integer(60, 31_536_000, 604_800).describe(
    'Age at which messages leave the stream',
  ),
  SEKALI_DUPLICATE_WINDOW_MS: integer(100, 86_400_000, 120_000).describe(
    'How long the brokers remember message ids; Postgres remembers them for ever',
  ),
  SEKALI_ACK_WAIT_MS: integer(1_000, 600_000, 5_000).describe(
    'How long a delivery may stay without a sign of its worker before it is repeated; work may take longer',
  ),
  SEKALI_ACK_PENDING_MAX: integer(1, 1_000_000, 50_000).describe(
    'Unsettled deliveries of all workers together',
  ),
};

const eventBytesMax = integer(1_024, 1_000_000, 262_144).describe('Bytes of one event');

/** The other settings of `setup`. */
export const setupFields = {
  SEKALI_EVENT_BYTES_MAX: eventBytesMax,
  SEKALI_API_KEYS_FILE: filePath.describe(
    'JSON list of keys to add, hashes only; existing keys, revoked or not, stay as they are',
  ),
  SEKALI_RETENTION: listed(
    isRetentionRule,
    `rules such as logs.>=7d or audit.*=forever, with 1 to ${RETENTION_DAYS_MAX} days, joined by commas`,
  ).describe(
    'How long payloads are kept, such as `logs.>=7d,orders.*=365d,>=90d`: the first pattern that matches a topic decides. `forever` exempts topics. None is dropped when left out',
  ),
  SEKALI_RETENTION_DUPLICATES_DAYS: days().describe(
    'How many days duplicates are kept after their message has left the stream; for ever when left out',
  ),
  SEKALI_RETENTION_CONFLICTS_DAYS: days().describe(
    'The same for conflicts, with the payload that differed; for ever when left out',
  ),
  SEKALI_RETENTION_DEAD_LETTERS_DAYS: days().describe(
    'The same for dead letters, open ones too, with what was done about them; for ever when left out',
  ),
  SEKALI_RETENTION_IDS_DAYS: days().describe(
    'How many days ids are kept at least, after which a repeat is a new event. Not less than payloads and messages are kept; for ever when left out',
  ),
  SEKALI_INDEXES: listed(isIndexRule, 'rules such as logs.>=text or >=none, joined by commas').describe(
    'What of payloads is indexed when a day is closed, such as `logs.>=text,>=fields`: the first pattern that matches a topic decides. A day with a topic of `fields` gets an index for `where`, one with `text` for `q` as well. None when left out',
  ),
};

/** The gateway. */
export const gatewayFields = {
  SEKALI_HTTP_HOST: text('127.0.0.1').describe('Address the gateway listens on'),
  SEKALI_HTTP_PORT: integer(0, 65_535, 8080).describe('Port the gateway listens on; 0 takes a free one'),
  SEKALI_HTTP_KEYS_ON_LOOPBACK: flag.describe(
    'Whether keys are required on a loopback address too; on any other address they always are',
  ),
  SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS: flag.describe(
    '`true` requires no key on any address: every client that reaches the gateway reads and writes everything',
  ),
  SEKALI_HTTP_REQUESTS_PER_SECOND_MAX: z.coerce
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe(
      'Requests per second of one key at one gateway; 0 means no bound. The default is 1,000 with keys, and no bound without. Without keys, the bound holds for each client address',
    ),
  SEKALI_HTTP_REQUEST_MS_MAX: integer(1_000, 600_000, 60_000).describe(
    'How long a request may take to arrive; its head at most a sixth of that',
  ),
  SEKALI_HTTP_TLS_CERT_FILE: filePath.describe('Certificate chain (PEM) for HTTPS; it needs the key'),
  SEKALI_HTTP_TLS_KEY_FILE: filePath.describe('Private key (PEM) of the certificate'),
  SEKALI_HTTP_TRUST_PROXY: listed(
    isAddressRange,
    'IP addresses, ranges such as 10.0.0.0/8, loopback, linklocal or uniquelocal, joined by commas',
  ).describe(
    'Trusted proxies, whose X-Forwarded-For, -Host and -Proto are used: addresses, ranges or `loopback`, joined by commas. Keys are then required on loopback too',
  ),
  SEKALI_HTTP_HOSTS: listed(
    isHost,
    'host names or addresses such as gateway.example or [fd00::1], without a port, joined by commas',
  ).describe(
    'Hosts that a gateway without keys accepts in addition to localhost, 127.0.0.1 and [::1]; a request for any other is refused with 421',
  ),
  SEKALI_HTTP_CONNECTIONS_MAX: integer(10, 100_000, 1_000).describe(
    'Simultaneous connections, and requests under way; more are refused with 503',
  ),
  SEKALI_HTTP_CONNECTIONS_PER_ADDRESS_MAX: integer(1, 100_000, 250).describe(
    'The same for one client address (an IPv6 network of 64 bits); behind a trusted proxy it bounds only requests',
  ),
  SEKALI_HTTP_BODY_BYTES_PER_SECOND_MIN: integer(1, 1_000_000, 16_384).describe(
    'A body above 64 KiB, or a compressed one, that arrives more slowly for five seconds is refused with 408',
  ),
  SEKALI_HTTP_CORS_ORIGINS: listed(
    isOrigin,
    'origins such as https://example.org, without a path, joined by commas',
  ).describe('Origins whose web pages may use the gateway, joined by commas; none when left out'),
  SEKALI_EVENT_BYTES_MAX: eventBytesMax,
  SEKALI_BODY_BYTES_MAX: integer(1_024, 268_435_456, 16_777_216).describe('Bytes of one request'),
  SEKALI_TOPICS_MAX: integer(1, 1_000_000, 10_000).describe(
    'Number of topics; an event over HTTP that would add one more is refused',
  ),
  SEKALI_TOPICS_PER_KEY_MAX: integer(1, 1_000_000, 1_000).describe(
    'Topics that one key may add at one gateway while it runs',
  ),
  SEKALI_PUBLISH_IN_FLIGHT_MAX: integer(1, 10_000, 512).describe(
    'Publishes of one gateway in flight to the brokers',
  ),
  SEKALI_PUBLISH_ATOMIC_BATCH: z
    .enum(['true', 'false'])
    .default('true')
    .describe('Whether simultaneous events are sent to the brokers as one atomic batch'),
  SEKALI_PUBLISH_ATOMIC_BATCH_MAX: integer(2, 1_000, 1_000).describe(
    'Events in one atomic batch, at most; no more than the brokers take (`max_msgs`)',
  ),
  SEKALI_PUBLISH_WAITING_MAX: integer(1, 1_000_000, 20_000).describe(
    'Events in the publish queue of one gateway; more are refused with 503',
  ),
  SEKALI_PUBLISH_BUDGET_MS: integer(1_000, 120_000, 18_000).describe(
    'How long one event is tried before 503',
  ),
};

/** What remembers ids. */
const keyFields = {
  SEKALI_KEY_FILTER_BYTES_MAX: integer(0, 17_179_869_184, 134_217_728).describe(
    'Memory of one process for filters, which spare a new id the lookups in closed tables of ids; 0 takes none',
  ),
  SEKALI_KEY_GENERATION_BYTES: integer(1_048_576, 1_099_511_627_776, 1_073_741_824).describe(
    'Bytes of the youngest table of ids with its indexes, from which on another generation begins. It should stay in memory',
  ),
};

/** The worker. */
export const workerFields = {
  SEKALI_EVENT_BYTES_MAX: eventBytesMax,
  SEKALI_BATCH_SIZE: integer(1, 5_000, 2_000).describe('Events in one transaction, at most'),
  SEKALI_BATCH_WAIT_MS: integer(0, 1_000, 5).describe('How long a batch that is not full waits for more'),
  SEKALI_BATCHES_IN_FLIGHT: integer(1, 16, 2).describe('Transactions of one worker at a time'),
  SEKALI_PREFETCH: integer(1, 50_000, 6_000).describe('Deliveries that one worker prefetches'),
  SEKALI_TRANSACTION_MS_MAX: integer(100, 300_000, 8_000).describe('How long one transaction may take'),
  SEKALI_ISOLATE_AFTER_DELIVERIES: integer(1, 100, 3).describe(
    'Deliveries after which a message that a worker may have died over is processed alone',
  ),
  SEKALI_ATTEMPTS_MAX: integer(1, 100, 3).describe('Attempts alone before a message becomes a dead letter'),
  SEKALI_STORED_TOPICS_MAX: integer(1, 2_000_000, 100_000).describe(
    'Number of topics, with those of direct producers; events of more become dead letters. Keep it above `SEKALI_TOPICS_MAX`',
  ),
  SEKALI_INDEX_HOURS: z
    .string()
    .regex(/^(?:[01]?\d|2[0-3])-(?:[01]?\d|2[0-4])$/, 'must be two hours in UTC, such as 1-5 or 22-4')
    .optional()
    .describe(
      'From which hour in UTC until which one indexes of payloads may be begun, such as `1-5` or `22-4`; at any hour when left out',
    ),
  ...keyFields,
};

/** The accounts. Their durable consumer has the bounds of the worker's. */
export const accountsFields = {
  SEKALI_EVENT_BYTES_MAX: eventBytesMax,
  SEKALI_ACK_WAIT_MS: streamFields.SEKALI_ACK_WAIT_MS,
  SEKALI_ACK_PENDING_MAX: streamFields.SEKALI_ACK_PENDING_MAX,
  SEKALI_PAYMENTS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe(
      'Port on 127.0.0.1 of `POST /payments`; 0 takes a free one. None when left out, as in Docker Compose, whose brokers let the accounts publish nothing',
    ),
  ...keyFields,
};

/** `sekali up`. */
export const localClusterFields = {
  SEKALI_NATS_SERVER: z
    .string()
    .min(1)
    .optional()
    .describe('A nats-server of your own instead of the one from npm'),
  SEKALI_POSTGRES_BIN: z
    .string()
    .min(1)
    .optional()
    .describe('A directory with initdb and postgres of your own instead of those from npm'),
};

/** The settings of commands that talk to a running system. */
export const clientFields = {
  SEKALI_GATEWAY_URL: urls(
    'http://127.0.0.1:8080',
    /^https?:\/\/\S+$/,
    'an http URL, such as http://host:8080',
  ).describe('The gateway that commands talk to'),
  SEKALI_API_KEY: z.string().min(1).optional().describe('The key that commands send to it'),
  SEKALI_API_KEY_FILE: filePath.describe('A file with that key'),
};
