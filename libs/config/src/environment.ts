/**
 * Turns the environment into settings, and reports all problems at once.
 *
 * `.env` is read first, where it is trusted (env-file.ts). The environment itself wins over it.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readEnvFile } from './env-file.js';
import { withCurrentNames } from './renamed-settings.js';
import { payloadDaysMax } from './topic-rule.js';
import {
  accountsFields,
  clientFields,
  connectionFields,
  gatewayFields,
  localClusterFields,
  metricsFields,
  setupFields,
  streamFields,
  workerFields,
} from './settings.js';
import { unknownSettings } from './unknown-settings.js';

/** The source of settings: `process.env`, or a map in tests. */
export type Environment = Readonly<Record<string, string | undefined>>;

const DAY_SECONDS = 86_400;

/** The environment is wrong. The message lists every problem on a line of its own. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly problems: readonly string[]) {
    super(`Wrong settings:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

const setupSchema = z
  .object({ ...connectionFields, ...streamFields, ...setupFields })
  .refine(
    ({ SEKALI_RETENTION_IDS_DAYS: days, SEKALI_RETENTION: rules }) =>
      days === undefined || days >= payloadDaysMax(rules),
    {
      path: ['SEKALI_RETENTION_IDS_DAYS'],
      message:
        'must be at least the days of every rule in SEKALI_RETENTION, where >=DAYSd covers the other topics',
      when: eachIsRight('SEKALI_RETENTION_IDS_DAYS', 'SEKALI_RETENTION'),
    },
  )
  .refine(
    ({ SEKALI_RETENTION_IDS_DAYS: days, SEKALI_STREAM_AGE_SECONDS_MAX: seconds }) =>
      days === undefined || days * DAY_SECONDS >= seconds,
    {
      path: ['SEKALI_RETENTION_IDS_DAYS'],
      message:
        'must be at least SEKALI_STREAM_AGE_SECONDS_MAX, or a message could come again after its id is forgotten',
      when: eachIsRight('SEKALI_RETENTION_IDS_DAYS', 'SEKALI_STREAM_AGE_SECONDS_MAX'),
    },
  );
const gatewaySchema = z
  .object({ ...connectionFields, ...metricsFields, ...gatewayFields })
  .refine((s) => (s.SEKALI_HTTP_TLS_CERT_FILE === undefined) === (s.SEKALI_HTTP_TLS_KEY_FILE === undefined), {
    path: ['SEKALI_HTTP_TLS_CERT_FILE'],
    message: 'and SEKALI_HTTP_TLS_KEY_FILE go together: set both or none',
    when: eachIsRight('SEKALI_HTTP_TLS_CERT_FILE', 'SEKALI_HTTP_TLS_KEY_FILE'),
  })
  .refine(
    (s) =>
      s.SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS === 'false' ||
      s.SEKALI_HTTP_KEYS_ON_LOOPBACK === 'false',
    {
      path: ['SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS'],
      message: 'asks for no keys and SEKALI_HTTP_KEYS_ON_LOOPBACK asks for them: set one of them',
      when: eachIsRight(
        'SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS',
        'SEKALI_HTTP_KEYS_ON_LOOPBACK',
      ),
    },
  );
const workerSchema = z
  .object({ ...connectionFields, ...metricsFields, ...streamFields, ...workerFields })
  .refine((s) => s.SEKALI_PREFETCH >= s.SEKALI_BATCH_SIZE, {
    path: ['SEKALI_PREFETCH'],
    message: 'must be at least SEKALI_BATCH_SIZE, or no batch is ever full',
    when: eachIsRight('SEKALI_PREFETCH', 'SEKALI_BATCH_SIZE'),
  })
  .refine((s) => s.SEKALI_ACK_PENDING_MAX >= s.SEKALI_PREFETCH, {
    path: ['SEKALI_ACK_PENDING_MAX'],
    message: 'must be at least SEKALI_PREFETCH, or the prefetch is never reached',
    when: eachIsRight('SEKALI_ACK_PENDING_MAX', 'SEKALI_PREFETCH'),
  });
const accountsSchema = z.object({ ...connectionFields, ...metricsFields, ...accountsFields });
const clientSchema = z.object({ ...connectionFields, ...clientFields });
const localClusterSchema = z.object(localClusterFields);

/** Settings of apps/setup. */
export type SetupSettings = Readonly<z.infer<typeof setupSchema>>;
/** Settings of apps/gateway. */
export type GatewaySettings = Readonly<z.infer<typeof gatewaySchema>>;
/** Settings of apps/worker. */
export type WorkerSettings = Readonly<z.infer<typeof workerSchema>>;
/** Settings of apps/accounts. */
export type AccountsSettings = Readonly<z.infer<typeof accountsSchema>>;
/** Settings of the commands that talk to a running system. */
export type ClientSettings = Readonly<z.infer<typeof clientSchema>>;
/** Settings of `sekali up`. */
export type LocalClusterSettings = Readonly<z.infer<typeof localClusterSchema>>;

/** Reads the settings of apps/setup. Throws `SettingsError`. */
export function readSetupSettings(environment = systemEnvironment()): SetupSettings {
  return parse(setupSchema, environment);
}

/** Reads the settings of apps/gateway. Throws `SettingsError`. */
export function readGatewaySettings(environment = systemEnvironment()): GatewaySettings {
  return parse(gatewaySchema, environment);
}

/** Reads the settings of apps/worker. Throws `SettingsError`. */
export function readWorkerSettings(environment = systemEnvironment()): WorkerSettings {
  return parse(workerSchema, environment);
}

/** Reads the settings of apps/accounts. Throws `SettingsError`. */
export function readAccountsSettings(environment = systemEnvironment()): AccountsSettings {
  return parse(accountsSchema, environment);
}

/** Reads the settings of the commands that talk to a running system. Throws `SettingsError`. */
export function readClientSettings(environment = systemEnvironment()): ClientSettings {
  return parse(clientSchema, environment);
}

/** Reads the settings of `sekali up`. Throws `SettingsError`. */
export function readLocalClusterSettings(environment = systemEnvironment()): LocalClusterSettings {
  return parse(localClusterSchema, environment);
}

/** The environment of this process, with `.env` for what it lacks. Settings are read from it, and children get it. */
export function systemEnvironment(): Environment {
  const { settings, notice } = readEnvFile(process.cwd());
  if (notice !== undefined) sayOnce(notice);
  return { ...settings, ...process.env };
}

const said = new Set<string>();

/** Notices go to standard error, because a program may print JSON or a report to standard output. */
function sayOnce(notice: string): void {
  if (said.has(notice)) return;
  said.add(notice);
  process.stderr.write(`settings: ${notice}\n`);
}

/**
 * Judges a relation as soon as the settings it compares are valid by themselves. By default, zod judges it only when
 * nothing at all is wrong. A user who solves one problem would then get the next.
 */
function eachIsRight(...names: string[]): (payload: z.core.ParsePayload) => boolean {
  return ({ issues }) =>
    !issues.some((issue) => issue.code !== 'custom' && names.includes(String(issue.path?.[0])));
}

function parse<S extends z.ZodType>(schema: S, environment: Environment): Readonly<z.infer<S>> {
  // A blank value means not set. `SEKALI_HTTP_PORT= ` in a file would otherwise be read as port 0.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value?.trim() !== ''));
  const current = withCurrentNames(given);
  const { mistyped, foreign } = unknownSettings(current.environment);
  const result = schema.safeParse(current.environment);
  const wrong = result.success ? [] : result.error.issues;
  const problems = [
    ...wrong.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
    ...mistyped,
    ...current.problems,
  ];
  if (problems.length > 0) throw new SettingsError(problems);
  for (const notice of [...current.notices, ...foreign]) sayOnce(notice);
  return Object.freeze(withVerification(withPassword(result.data as z.infer<S> & DatabaseSettings)));
}

/** TLS with a certificate that the authority signed for this host. */
const VERIFIED = 'verify-full';

interface DatabaseSettings {
  readonly SEKALI_POSTGRES_URL?: string;
  readonly SEKALI_POSTGRES_PASSWORD_FILE?: string | undefined;
  readonly SEKALI_POSTGRES_CA_FILE?: string | undefined;
}

/** Puts the password from its file into the URL, so that clients of the database need only the URL. */
function withPassword<T extends DatabaseSettings>(settings: T): T {
  const { SEKALI_POSTGRES_URL: address, SEKALI_POSTGRES_PASSWORD_FILE: file } = settings;
  if (address === undefined || file === undefined || !URL.canParse(address)) return settings;
  const url = new URL(address);
  if (url.password !== '') return settings;
  // An editor ends a file with a line break, which is not part of the password.
  url.password = encodeURIComponent(readFileSync(file, 'utf8').replace(/\r?\n$/, ''));
  return { ...settings, SEKALI_POSTGRES_URL: url.href };
}

/** Puts the authority into the URL as well, in the parameters that every client of Postgres knows. */
function withVerification<T extends DatabaseSettings>(settings: T): T {
  const { SEKALI_POSTGRES_URL: address, SEKALI_POSTGRES_CA_FILE: authority } = settings;
  if (address === undefined || authority === undefined || !URL.canParse(address)) return settings;
  const url = new URL(address);
  const mode = url.searchParams.get('sslmode') ?? VERIFIED;
  if (mode !== VERIFIED || url.searchParams.has('ssl')) {
    throw new SettingsError([
      `SEKALI_POSTGRES_URL: with SEKALI_POSTGRES_CA_FILE every connection is verified; leave "ssl" and "sslmode=${mode}" out`,
    ]);
  }
  url.searchParams.set('sslmode', VERIFIED);
  url.searchParams.set('sslrootcert', authority);
  return { ...settings, SEKALI_POSTGRES_URL: url.href };
}
