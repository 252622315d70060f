/**
 * Which system a command talks to.
 *
 * The order is: an option, the environment (or `.env`), the system that `sekali up` runs in this folder or in the
 * clone, the defaults. So after `npm start` every command works without a setting.
 */
import { join } from 'node:path';
import type { Command } from 'commander';
import { readClientSettings, systemEnvironment, type ClientSettings, type Environment } from '#config';
import { findRepositoryRoot, readRunningSystem, type RunningSystem } from '#local-cluster';

/** Addresses given on the command line. */
export interface TargetOptions {
  readonly nats?: string;
  readonly postgres?: string;
  readonly gateway?: string;
  readonly apiKeyFile?: string;
}

const DATA_DIRECTORY = '.sekali';

/** Adds `--gateway` (and the key for it), `--nats` and `--postgres`, those that a command uses. */
export function addTargetOptions(
  command: Command,
  uses: readonly ('gateway' | 'nats' | 'postgres')[],
): Command {
  if (uses.includes('gateway')) {
    command.option('--gateway <url>', 'the gateway (SEKALI_GATEWAY_URL)');
    // The option is never the key itself, because every process of the machine could read it in the list of processes.
    command.option(
      '--api-key-file <file>',
      'a file with the key for it (SEKALI_API_KEY_FILE, SEKALI_API_KEY)',
    );
  }
  if (uses.includes('nats'))
    command.option('--nats <urls>', 'the brokers, joined by commas (SEKALI_NATS_URLS)');
  if (uses.includes('postgres')) command.option('--postgres <url>', 'the database (SEKALI_POSTGRES_URL)');
  return command;
}

/** The settings of the system to talk to. Throws `SettingsError`. */
export function findTarget(options: TargetOptions): ClientSettings {
  return readClientSettings(mergeTarget(options, systemEnvironment(), runningSystem()));
}

/** Options win over the environment, and that over the running system. The defaults apply to the rest. */
export function mergeTarget(
  options: TargetOptions,
  environment: Environment,
  running: RunningSystem | undefined,
): Environment {
  const local: Environment = running
    ? {
        SEKALI_GATEWAY_URL: running.gateway,
        SEKALI_NATS_URLS: running.nats.join(','),
        SEKALI_POSTGRES_URL: running.postgres,
      }
    : {};
  const given: Environment = {
    SEKALI_GATEWAY_URL: options.gateway,
    SEKALI_NATS_URLS: options.nats,
    SEKALI_POSTGRES_URL: options.postgres,
    SEKALI_API_KEY_FILE: options.apiKeyFile,
  };
  const merged = { ...local, ...present(environment), ...present(given) };
  // Otherwise a key in the environment would win over the file that was named.
  return options.apiKeyFile === undefined ? merged : { ...merged, SEKALI_API_KEY: undefined };
}

/** A URL that can be shown: without its password. */
export function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^:@/,]*):[^@/,]*@/g, '$1@');
}

function runningSystem(): RunningSystem | undefined {
  return (
    readRunningSystem(join(process.cwd(), DATA_DIRECTORY)) ??
    readRunningSystem(join(findRepositoryRoot(), DATA_DIRECTORY))
  );
}

function present(environment: Environment): Environment {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
}
