#!/usr/bin/env node
/**
 * `npm run secrets [directory]`: creates every secret that docker-compose.yml needs, once. See secret-files.mjs.
 *
 * Without a directory they go to deploy/secrets, and `.env` gets the path. Compose refuses to start without it.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, prepareDependencies } from '../apps/cli/bin/prepare.mjs';

const deploy = dirname(fileURLToPath(import.meta.url));
const root = dirname(deploy);
const VARIABLE = 'SEKALI_SECRETS';

await main(async () => {
  const [given] = process.argv.slice(2);
  const directory = given === undefined ? join(deploy, 'secrets') : resolve(given);
  await prepareDependencies();
  const { completeSecrets, SecretsError } = await import('./secret-files.mjs');
  try {
    const { made, warnings } = await completeSecrets(directory);
    if (given === undefined) reportToCompose();
    const where = relative(process.cwd(), directory) || '.';
    say(
      made.length === 0
        ? `nothing to do: every secret is in ${where} already`
        : `made in ${where}: ${made.join(', ')}`,
    );
    for (const warning of warnings) say(warning);
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
});

/** Compose reads `.env`. Without the variable it knows that there are no secrets. */
function reportToCompose() {
  const file = join(root, '.env');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (new RegExp(`^\\s*${VARIABLE}=`, 'm').test(text)) return;
  const gap = text === '' || text.endsWith('\n') ? '' : '\n';
  appendFileSync(
    file,
    `${gap}# Where Compose finds the secrets that "npm run secrets" made.\n${VARIABLE}=./deploy/secrets\n`,
  );
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
