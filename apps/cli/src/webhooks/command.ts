/** `sekali webhooks`: its subcommands and their exit codes. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  apiKeyNameError,
  HMAC_ALGORITHMS,
  HMAC_ENCODINGS,
  recordFieldError,
  sourceError,
  topicError,
  WEBHOOK_HEADERS_MAX,
  WEBHOOK_PROVIDERS,
  WEBHOOK_TOLERANCE_SECONDS,
  WEBHOOK_TOLERANCE_SECONDS_MAX,
  webhookHeaderError,
  webhookSecretIdError,
} from '#contracts';
import { integerOption, newCommand, ruledOption, runAction, type ExitCode } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type * as Run from './run.js';

const HELP = `
A provider sends to POST /webhooks/TOPIC and signs each delivery with a secret of that topic. It needs no API key.
Gateways take a new secret, and refuse a revoked one, within three seconds.

Stripe and Shopify issue their secret: save it in a file, and name the file with --secret-file, or "-" for standard
input. For GitHub, Standard Webhooks and hmac a secret is drawn when none is given. It is shown once.

To change a secret, create a second one, give it to the provider, then revoke the first. A topic may have four.

With --provider hmac, the other options say how the sender signs. Slack, for example, signs like this:
  --signature-header x-slack-signature --prefix v0= --timestamp-header x-slack-request-timestamp
  --signed 'v0:{timestamp}:{body}' --id-field event_id

Examples:
  sekali webhooks create --topic github --provider github
  sekali webhooks create --topic payments --provider stripe --secret-file stripe.secret
  sekali webhooks create --topic ci --provider hmac --signature-header x-signature --id-header x-delivery
  sekali webhooks list
  sekali webhooks revoke 0123456789abcdef

Exit codes:
  0  done     1  there is no such secret, or no room for one     2  the database cannot be reached, or has no schema yet`;

/** Creates the command for the program. */
export function webhooksCommand(): Command {
  const webhooks = newCommand('webhooks')
    .summary('create, list and revoke the secrets of webhooks')
    .description(
      'Creates, lists and revokes the secrets with which providers sign deliveries, in the database.',
    )
    .addHelpText('after', HELP);
  const create = createCommand();
  const list = newCommand('list').description('lists every secret, also those that were revoked, without it');
  const revoke = newCommand('revoke')
    .description('revokes a secret, for good, and erases it')
    .argument('<secret id>', 'see "sekali webhooks list"', ruledOption(webhookSecretIdError));
  for (const command of [create, list, revoke]) {
    command.showHelpAfterError(`(sekali webhooks ${command.name()} --help says more)`);
    addTargetOptions(command.option('--json', 'print one JSON document'), ['postgres']);
    webhooks.addCommand(command);
  }
  create.action((options: Run.CreateOptions) =>
    runWithDatabase('create', async (run) => run.createSecret(options)),
  );
  list.action((options: Run.WebhooksOptions) =>
    runWithDatabase('list', async (run) => run.listSecrets(options)),
  );
  revoke.action((secretId: string, options: Run.WebhooksOptions) =>
    runWithDatabase('revoke', async (run) => run.revokeSecret(secretId, options)),
  );
  return webhooks;
}

function createCommand(): Command {
  const create = newCommand('create')
    .description('creates a secret, and prints where its provider sends to')
    .requiredOption('--topic <topic>', 'the topic of the deliveries', ruledOption(topicError))
    .addOption(
      new Option('--provider <provider>', 'who signs them').choices(WEBHOOK_PROVIDERS).makeOptionMandatory(),
    )
    .option('--name <name>', 'what the secret is for (default: the provider)', ruledOption(apiKeyNameError))
    .option('--source <source>', 'the source of the events (default: the provider)', ruledOption(sourceError))
    .option('--secret-file <file>', 'a file with the secret of the provider, "-" for standard input')
    .option(
      '--tolerance <seconds>',
      'how far the signed time may be from now',
      integerOption(1, WEBHOOK_TOLERANCE_SECONDS_MAX),
      WEBHOOK_TOLERANCE_SECONDS,
    )
    .option(
      '--headers <list>',
      'headers to keep in the payload, joined by commas; they must be the same in every repeat',
      headerList,
    );
  return addHmacOptions(create);
}

function addHmacOptions(create: Command): Command {
  return create
    .option('--signature-header <name>', 'hmac: the header with the signature', headerName)
    .addOption(new Option('--algorithm <hash>', 'hmac: the hash (default: sha256)').choices(HMAC_ALGORITHMS))
    .addOption(
      new Option('--encoding <form>', 'hmac: how the signature is written (default: hex)').choices(
        HMAC_ENCODINGS,
      ),
    )
    .option('--prefix <text>', 'hmac: what stands before the signature, for example sha256=')
    .option(
      '--signed <text>',
      'hmac: what is signed (default: {body}, with a time {timestamp}.{body}); {id} may be in it, too',
    )
    .option('--timestamp-header <name>', 'hmac: the header with the time of signing', headerName)
    .option('--id-header <name>', 'hmac: the header with the id of the delivery', headerName)
    .option(
      '--id-field <field>',
      'hmac: the member of the body with the id, or a JSON Pointer',
      ruledOption(recordFieldError),
    );
}

async function runWithDatabase(name: string, action: (run: typeof Run) => Promise<ExitCode>): Promise<void> {
  // The import is here because what talks to the database takes longer to load than the rest of the program.
  await runAction(`webhooks ${name}`, async () => action(await import('./run.js')));
}

/** Names of headers are compared in lower case. */
function headerName(value: string): string {
  return ruledOption(webhookHeaderError)(value.toLowerCase());
}

function headerList(value: string): string[] {
  const names = [...new Set(value.split(',').map((name) => headerName(name.trim())))];
  if (names.length > WEBHOOK_HEADERS_MAX) {
    throw new InvalidArgumentError(`There may be ${WEBHOOK_HEADERS_MAX} at most.`);
  }
  return names;
}
