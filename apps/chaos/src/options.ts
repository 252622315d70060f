/** The options of `sekali chaos`: what they mean, their defaults and their bounds. */
import { Command, InvalidArgumentError } from 'commander';
import { catalogue, chooseFaults } from './nemesis/catalogue.js';
import type { Fault } from './nemesis/fault.js';

/** The options that the user chose. */
export interface ChaosOptions {
  readonly minutes: number;
  /** 32-bit; random when left out. */
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** As the user wrote them. */
  readonly faultNames: string;
  /** Messages per second, repeats included. */
  readonly rate: number;
  /** Share of repeats among the messages, 0 to 0.9. */
  readonly duplicates: number;
  readonly topics: number;
  /** Folder of the report. */
  readonly out: string | undefined;
  readonly json: boolean;
  readonly nodes: number;
  readonly sabotage: Sabotage | undefined;
  /** Addresses of a running system; all three or none. */
  readonly given: GivenAddresses | undefined;
}

/** Where a running system is. */
export interface GivenAddresses {
  readonly gateways: readonly string[];
  readonly nats: readonly string[];
  readonly postgres: string;
}

/** The sabotages, by the program that commits them. */
export const SABOTAGES = {
  'ack-before-commit': 'worker',
  'effect-outside-transaction': 'worker',
  'no-inbox': 'worker',
  'drop-bad-batch': 'worker',
  'believe-sequences': 'worker',
  'late-keys': 'worker',
  'forgetful-filters': 'worker',
  'answer-before-puback': 'gateway',
  'bulk-hides-refusals': 'gateway',
} as const;

/** A name of `SABOTAGES`. */
export type Sabotage = keyof typeof SABOTAGES;

const SEED_MAX = 2 ** 32 - 1;

const HELP = `
Starts a system of its own (as "sekali up --ephemeral" does, plus a gateway and two workers behind proxies) and loads
it. Breaks it on a random schedule, lets it heal and drain, and then compares the answers to every producer with the
stream and the database. The workers run one more consumer, whose sums must add up.

With --gateway, --nats and --postgres it judges a running system instead, on topics of its own. Then only the faults
are possible that an operator can cause over SQL and the brokers' API. They disturb all users, so try it only where
that is allowed. The Postgres user must be allowed to do what the faults do.

Faults:
${catalogue.map(faultLine).join('\n')}

Examples:
  sekali chaos                                    two minutes of everything
  sekali chaos --minutes 30 --seed 7              longer, and repeatable
  sekali chaos --faults kill-worker,kill-postgres
  sekali chaos --faults kill-postgres --sabotage ack-before-commit     a system that is wrong: must end with 1

Exit codes:
  0  the promise held     1  it did not: see the report     2  unknown     130  interrupted`;

function faultLine({ name, what }: Fault): string {
  return `  ${name.padEnd(28)} ${what}`;
}

/** Creates the command; `action` gets the checked options. */
export function chaosCommand(action: (options: ChaosOptions) => Promise<void>): Command {
  return new Command('sekali chaos')
    .description('Breaks the system on purpose, and proves that nothing was lost or done twice.')
    .option('--minutes <minutes>', 'duration of the load; start, drain and check come on top', minutes, 2)
    .option(
      '--seed <number>',
      'the same seed draws the same messages and the same faults',
      whole(0, SEED_MAX),
    )
    .option('--faults <names>', '"all", "none", or names joined by commas', 'all')
    .option('--rate <per second>', 'messages per second, repeats included', whole(1, 20_000), 500)
    .option('--duplicates <share>', 'share of repeats, 0 to 0.9', share, 0.3)
    .option('--topics <count>', 'topics; a few of them get most of the events', whole(1, 1_000), 40)
    .option('--nodes <count>', 'brokers: 1 or 3', whole(1, 3), 3)
    .option('--sabotage <name>', `a program that is wrong on purpose: ${Object.keys(SABOTAGES).join(', ')}`)
    .option('--gateway <urls>', 'gateways of a running system, joined by commas')
    .option('--nats <urls>', 'its brokers, joined by commas')
    .option('--postgres <url>', 'its database')
    .option('--out <folder>', 'folder for the report; it must not exist or be empty')
    .option('--json', 'print JSON, one object per line', false)
    .addHelpText('after', HELP)
    .allowExcessArguments(false)
    .showHelpAfterError('(sekali chaos --help says more)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .action(async (raw: RawOptions, command: Command) => {
      await action(check(raw, command));
    });
}

interface RawOptions extends Omit<ChaosOptions, 'faults' | 'faultNames' | 'seed' | 'given'> {
  readonly faults: string;
  readonly seed?: number;
  readonly gateway?: string;
  readonly nats?: string;
  readonly postgres?: string;
}

function check(raw: RawOptions, command: Command): ChaosOptions {
  const { gateway, nats, postgres, ...rest } = raw;
  const faults = attempt(command, () => chooseFaults(raw.faults));
  if (raw.sabotage !== undefined && !(raw.sabotage in SABOTAGES)) {
    command.error(`There is no sabotage "${raw.sabotage}". There are: ${Object.keys(SABOTAGES).join(', ')}.`);
  }
  const addresses = [gateway, nats, postgres].filter((address) => address !== undefined);
  if (addresses.length !== 0 && addresses.length !== 3)
    command.error('A running system needs all three: --gateway, --nats and --postgres.');
  if (addresses.length !== 0 && raw.sabotage !== undefined)
    command.error('--sabotage is for a system that the judge starts itself.');
  if (raw.nodes === 2) command.error('--nodes must be 1 or 3: two brokers survive no more than one.');
  const given =
    gateway === undefined || nats === undefined || postgres === undefined
      ? undefined
      : { gateways: list(gateway), nats: list(nats), postgres };
  return {
    ...rest,
    faultNames: raw.faults,
    seed: raw.seed ?? Math.floor(Math.random() * 2 ** 31),
    faults,
    given,
  };
}

function attempt<T>(command: Command, work: () => T): T {
  try {
    return work();
  } catch (error) {
    return command.error((error as Error).message);
  }
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

function minutes(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1_440))
    throw new InvalidArgumentError('It must be more than 0 and at most 1440.');
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 0.9)) throw new InvalidArgumentError('It must be a number from 0 to 0.9.');
  return value;
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}
