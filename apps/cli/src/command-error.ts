/**
 * Errors that end a command with one line and an exit code, and the one place that turns them into both.
 *
 *   0  it did what it promises     2    it could not be tried, or there is no verdict
 *   1  it did not                  130  interrupted with Ctrl-C
 */
import { types } from 'node:util';
import { Command, InvalidArgumentError, type CommanderError } from 'commander';
import { SettingsError } from '#config';

/** The exit code of a command. */
export type ExitCode = 0 | 1 | 2 | 130;

/** A command cannot continue, and its user can do something about it. The message says what. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    message: string,
    readonly exitCode: ExitCode = 2,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A command whose wrong use ends with 2, so that 1 keeps its meaning for scripts. */
export function newCommand(name: string): Command {
  return new Command(name)
    .allowExcessArguments(false)
    .showHelpAfterError(`(sekali ${name} --help says more)`)
    .exitOverride((error: CommanderError) => {
      process.exit(error.exitCode === 0 ? 0 : 2);
    });
}

/**
 * Runs a command's action and ends the process with the exit code that it returns or throws. What was printed must have
 * been awaited. A connection that hangs cannot keep the process alive.
 */
export async function runAction(name: string, action: () => Promise<ExitCode>): Promise<void> {
  process.exit(await endOf(name, action));
}

async function endOf(name: string, action: () => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof CommandError || error instanceof SettingsError) {
      process.stderr.write(`sekali ${name}: ${error.message}\n`);
      return error instanceof CommandError ? error.exitCode : 2;
    }
    // A bug of ours is not a verdict: 1 would mean that a fault was found.
    process.stderr.write(
      `sekali ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 2;
  }
}

/** Reads an option that is a whole number within bounds. */
export function integerOption(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^[+-]?\d+$/.test(value.trim()) || !Number.isSafeInteger(number) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** Reads an option that is a number within bounds. */
export function numberOption(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() === '' || !Number.isFinite(number) || number < min || number > max) {
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    }
    return number;
  };
}

/** Reads an option that one of the contract's rules checks, for example a topic. */
export function ruledOption(rule: (value: unknown) => string | undefined): (value: string) => string {
  return (value) => {
    const problem = rule(value);
    if (problem !== undefined) throw new InvalidArgumentError(`${problem}.`);
    return value;
  };
}

/** One line about any error, for example the cause behind `fetch failed`. */
export function errorLine(error: unknown): string {
  // `instanceof` would fail here: inside a test, what Node itself throws is of another realm.
  if (!types.isNativeError(error)) return String(error);
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0)
    return errorLine(error.errors[0]);
  const own = error.message === '' ? ((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
  // In "ENOENT: no such file or directory, open '/x'" the path is already known, and the rest is for programmers.
  const line = /^E[A-Z]+: (.+), \w+(?: '|$)/.exec(own)?.[1] ?? own.split('\n', 1)[0] ?? own;
  const { cause } = error;
  return types.isNativeError(cause) && error.message === 'fetch failed' ? errorLine(cause) : line;
}
