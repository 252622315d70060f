/** `sekali keys`: its subcommands and their exit codes. */
import { InvalidArgumentError, type Command } from 'commander';
import {
  API_KEY_SCOPES,
  API_KEY_TOPICS_MAX,
  apiKeyIdError,
  apiKeyNameError,
  recordFieldError,
  sourceError,
  topicError,
  topicPatternError,
  type ApiKeyScope,
} from '#contracts';
import { newCommand, ruledOption, runAction, type ExitCode } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type * as Run from './run.js';

const HELP = `
A gateway that is not on a loopback address asks for a key: "Authorization: Bearer sekali_…". Scopes are publish
(POST /publish), read (GET /events, /stats) and admin; none includes another. A key with topics publishes to and
reads these alone. Gateways take a new key, and refuse a revoked one, within three seconds.

With --topic, a client that can send only its own JSON may use the key: each line of its requests is a record, and
becomes the payload of an event. Its id is a member of the record, or else the hash of the record.

The database keeps the SHA-256 of a token: it is shown once, and cannot be shown again.

Examples:
  sekali keys create --name checkout --scopes publish --topics orders.created,logs.>
  sekali keys create --name ops --scopes publish,read,admin --json | jq -r .token > key
  sekali keys create --name shipper --scopes publish --topic logs.web --id-field id --time-field '@timestamp'
  sekali keys list
  sekali keys revoke 0123456789abcdef

Exit codes:
  0  done     1  there is no such key     2  the database cannot be reached, or has no schema yet`;

/** Creates the command for the program. */
export function keysCommand(): Command {
  const keys = newCommand('keys')
    .summary('create, list and revoke the keys of the gateway')
    .description('Creates, lists and revokes API keys, in the database.')
    .addHelpText('after', HELP);
  const create = createCommand();
  const list = newCommand('list').description(
    'lists every key, also those that were revoked, without tokens',
  );
  const revoke = newCommand('revoke')
    .description('revokes a key, for good')
    .argument('<key id>', 'the part between the underscores of its token', ruledOption(apiKeyIdError));
  for (const command of [create, list, revoke]) {
    command.showHelpAfterError(`(sekali keys ${command.name()} --help says more)`);
    addTargetOptions(command.option('--json', 'print one JSON document'), ['postgres']);
    keys.addCommand(command);
  }
  create.action((options: Run.CreateOptions) =>
    runWithDatabase('create', async (run) => run.createKey(options)),
  );
  list.action((options: Run.KeysOptions) => runWithDatabase('list', async (run) => run.listKeys(options)));
  revoke.action((keyId: string, options: Run.KeysOptions) =>
    runWithDatabase('revoke', async (run) => run.revokeKey(keyId, options)),
  );
  return keys;
}

function createCommand(): Command {
  return newCommand('create')
    .description('creates a key and prints its token, once')
    .requiredOption('--name <name>', 'what the key is for', ruledOption(apiKeyNameError))
    .requiredOption('--scopes <list>', `${API_KEY_SCOPES.join(', ')}, joined by commas`, scopeList)
    .option(
      '--topics <list>',
      'topics, or prefixes such as logs.>, joined by commas (default: all)',
      topicList,
    )
    .option(
      '--topic <topic>',
      'the topic of its records: each line may then be any JSON object',
      ruledOption(topicError),
    )
    .option(
      '--source <source>',
      'the source of its records (default: the name of the key)',
      ruledOption(sourceError),
    )
    .option(
      '--id-field <field>',
      'the member of a record that is its id, or a JSON Pointer',
      ruledOption(recordFieldError),
    )
    .option(
      '--time-field <field>',
      'the member of a record that is its time, or a JSON Pointer',
      ruledOption(recordFieldError),
    );
}

async function runWithDatabase(name: string, action: (run: typeof Run) => Promise<ExitCode>): Promise<void> {
  // The import is here because what talks to the database takes longer to load than the rest of the program.
  await runAction(`keys ${name}`, async () => action(await import('./run.js')));
}

function scopeList(value: string): ApiKeyScope[] {
  const known: readonly string[] = API_KEY_SCOPES;
  const scopes = [...new Set(value.split(',').map((scope) => scope.trim()))];
  if (!scopes.every((scope) => known.includes(scope))) {
    throw new InvalidArgumentError(`They must be of ${API_KEY_SCOPES.join(', ')}.`);
  }
  return scopes as ApiKeyScope[];
}

function topicList(value: string): string[] {
  const topics = [...new Set(value.split(',').map((topic) => topic.trim()))];
  const wrong = topics.map(topicPatternError).find((error) => error !== undefined);
  if (wrong !== undefined) throw new InvalidArgumentError(`${wrong}.`);
  if (topics.length > API_KEY_TOPICS_MAX) {
    throw new InvalidArgumentError(`There may be ${API_KEY_TOPICS_MAX} at most.`);
  }
  return topics;
}
