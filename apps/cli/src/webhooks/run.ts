/** Creates, lists and revokes secrets of webhooks. A secret that was drawn is printed once, to standard output. */
import { readFileSync } from 'node:fs';
import {
  hmacRulesError,
  newWebhookSecret,
  newWebhookSecretId,
  WEBHOOK_HEADERS,
  WEBHOOK_SECRETS_PER_TOPIC_MAX,
  webhookSecretError,
  type HmacRules,
  type WebhookProvider,
  type WebhookSecret,
} from '#contracts';
import { insertWebhookSecret, listWebhookSecrets, revokeWebhookSecret } from '#store';
import { CommandError, errorLine, type ExitCode } from '../command-error.js';
import { columnTable, figureTable, notice, print, printJson } from '../output.js';
import { minuteOf, withDatabase } from '../target-database.js';
import type { TargetOptions } from '../target.js';

/** The options of a new secret. */
export interface CreateOptions extends TargetOptions {
  readonly topic: string;
  readonly provider: WebhookProvider;
  readonly name?: string;
  readonly source?: string;
  readonly secretFile?: string;
  readonly tolerance: number;
  readonly headers?: readonly string[];
  readonly signatureHeader?: string;
  readonly algorithm?: HmacRules['algorithm'];
  readonly encoding?: HmacRules['encoding'];
  readonly prefix?: string;
  readonly signed?: string;
  readonly timestampHeader?: string;
  readonly idHeader?: string;
  readonly idField?: string;
  readonly json?: boolean;
}

/** The options of the other two subcommands. */
export interface WebhooksOptions extends TargetOptions {
  readonly json?: boolean;
}

const WEBHOOKS = { name: 'sekali-webhooks', what: 'secrets of webhooks' };
const STANDARD_INPUT = '-';
/** Providers that issue the secret themselves. */
const ISSUERS: readonly WebhookProvider[] = ['stripe', 'shopify'];
const HMAC_OPTIONS = [
  'signatureHeader',
  'algorithm',
  'encoding',
  'prefix',
  'signed',
  'timestampHeader',
  'idHeader',
  'idField',
] as const satisfies readonly (keyof CreateOptions)[];

/** Creates a secret. Throws `CommandError`: 1 when the topic has too many, 2 when an option or the database is wrong. */
export async function createSecret(options: CreateOptions): Promise<ExitCode> {
  const { topic, provider, secretFile } = options;
  const entry: WebhookSecret = {
    secret_id: newWebhookSecretId(),
    name: options.name ?? provider,
    topic,
    provider,
    source: options.source ?? provider,
    secret: secretOf(options),
    tolerance_seconds: options.tolerance,
    headers: options.headers ?? WEBHOOK_HEADERS[provider],
    rules: rulesOf(options),
  };
  const isAdded = await withDatabase(options, WEBHOOKS, (database) => insertWebhookSecret(database, entry));
  if (!isAdded) {
    const most = `topic ${topic} has ${WEBHOOK_SECRETS_PER_TOPIC_MAX} secrets already`;
    throw new CommandError(`${most}: revoke one of them, see "sekali webhooks list"`, 1);
  }
  const { secret, ...shown } = entry;
  const isDrawn = secretFile === undefined;
  const path = `/webhooks/${topic}`;
  if (options.json) {
    await printJson({ ...shown, path, ...(isDrawn && { secret }) });
    return 0;
  }
  await print(
    figureTable([
      ['secret id', entry.secret_id],
      ['name', entry.name],
      ['provider', provider],
      ['source', entry.source],
      ['address', `POST ${path}`],
    ]),
  );
  if (isDrawn) await print(`\n${secret}`);
  notice(
    isDrawn
      ? '\nThis secret is shown once: give it to the provider now. Gateways take it within three seconds.'
      : '\nGateways take it within three seconds.',
  );
  return 0;
}

/** Lists every secret. */
export async function listSecrets(options: WebhooksOptions): Promise<ExitCode> {
  const secrets = await withDatabase(options, WEBHOOKS, listWebhookSecrets);
  if (options.json) {
    await printJson(secrets);
  } else if (secrets.length === 0) {
    await print('There is no secret. Create one with "sekali webhooks create".');
  } else {
    const rows = secrets.map((secret) => [
      secret.secret_id,
      secret.topic,
      secret.provider,
      secret.name,
      minuteOf(secret.created_at),
      secret.revoked_at === null ? '' : minuteOf(secret.revoked_at),
    ]);
    await print(columnTable(['secret id', 'topic', 'provider', 'name', 'created', 'revoked'], rows));
  }
  return 0;
}

/** Revokes a secret. The exit code is 1 when none has this id. A repeat is allowed. */
export async function revokeSecret(secretId: string, options: WebhooksOptions): Promise<ExitCode> {
  const revoked = await withDatabase(options, WEBHOOKS, (database) =>
    revokeWebhookSecret(database, secretId),
  );
  if (revoked === undefined)
    throw new CommandError(`there is no secret ${secretId}: see "sekali webhooks list"`, 1);
  if (options.json) await printJson(revoked);
  else {
    const what = `${secretId} (${revoked.name}, topic ${revoked.topic})`;
    await print(`${what} is revoked and erased. Gateways refuse what it signs within three seconds.`);
  }
  return 0;
}

function secretOf({ provider, secretFile }: CreateOptions): string {
  if (secretFile === undefined) {
    if (!ISSUERS.includes(provider)) return newWebhookSecret(provider);
    throw new CommandError(
      `${provider} issues the secret: save it in a file, and name that with --secret-file`,
    );
  }
  const secret = readSecret(secretFile);
  const error = webhookSecretError(provider, secret);
  if (error !== undefined) throw new CommandError(`the content of --secret-file is wrong: ${error}`);
  return secret;
}

/** An editor ends a file with a line break, which is not part of the secret. */
function readSecret(file: string): string {
  try {
    return readFileSync(file === STANDARD_INPUT ? 0 : file, 'utf8').trim();
  } catch (error) {
    throw new CommandError(`--secret-file cannot be read: ${errorLine(error)}`, 2, { cause: error });
  }
}

function rulesOf(options: CreateOptions): HmacRules | null {
  const given = HMAC_OPTIONS.filter((name) => options[name] !== undefined);
  if (options.provider !== 'hmac') {
    if (given.length === 0) return null;
    throw new CommandError(`how ${options.provider} signs is known: leave out the options of hmac`);
  }
  const { signatureHeader, timestampHeader, idHeader, idField } = options;
  if (signatureHeader === undefined) throw new CommandError('--provider hmac needs --signature-header');
  const rules: HmacRules = {
    signature_header: signatureHeader,
    algorithm: options.algorithm ?? 'sha256',
    encoding: options.encoding ?? 'hex',
    prefix: options.prefix ?? '',
    signed: options.signed ?? (timestampHeader === undefined ? '{body}' : '{timestamp}.{body}'),
    ...(timestampHeader !== undefined && { timestamp_header: timestampHeader }),
    ...(idHeader !== undefined && { id_header: idHeader }),
    ...(idField !== undefined && { id_field: idField }),
  };
  const error = hmacRulesError(rules);
  if (error !== undefined) throw new CommandError(`${error}: see "sekali webhooks create --help"`);
  return rules;
}
