/**
 * Which system a command talks to.
 *
 * In this order: an option, the environment (or `.env`), the system that `sekali up` runs in this folder or in
 * the clone, the defaults. So after `npm start` every command works without a setting.
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
}

const DATA_DIRECTORY = '.sekali';

/** Adds `--gateway`, `--nats` and `--postgres`, those that a command uses. */
export function addTargetOptions(command: Command, uses: readonly (keyof TargetOptions)[]): Command {
  if (uses.includes('gateway')) command.option('--gateway <url>', 'the gateway (SEKALI_GATEWAY_URL)');
  if (uses.includes('nats'))
    command.option('--nats <urls>', 'the brokers, joined by commas (SEKALI_NATS_URLS)');
  if (uses.includes('postgres')) command.option('--postgres <url>', 'the database (SEKALI_POSTGRES_URL)');
  return command;
}

/** The settings of the system to talk to. Throws `SettingsError`. */
export function findTarget(options: TargetOptions): ClientSettings {
  return readClientSettings(mergeTarget(options, systemEnvironment(), runningSystem()));
}

/** Options over environment over the running system; what none of them says is left to the defaults. */
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
  };
  return { ...local, ...present(environment), ...present(given) };
}

/** A URL fit to be shown: without its password. */
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
