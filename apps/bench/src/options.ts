/** The options of `sekali bench`. */
import { Command, InvalidArgumentError } from 'commander';
import { FLAT_LOADS } from './drain/flat-loads.js';

/** The groups that can be measured, in the order of measurement. */
export const GROUPS = [
  'http',
  'drain',
  'end-to-end',
  'query',
  'flat',
  'memory',
  'publisher',
  'outbox',
  'durability',
] as const;

/** One of `GROUPS`. */
export type GroupName = (typeof GROUPS)[number];

/** The options that the user chose. */
export interface BenchOptions {
  readonly only: readonly GroupName[];
  readonly small: boolean;
  readonly rounds: number | undefined;
  /** Keys that are stored before draining next to them is measured. */
  readonly keys: number | undefined;
  /** Events of the backlog that an outbox has. */
  readonly backlog: number | undefined;
  /** Names of loads of the group flat. All of them, and the disk, are measured when it is left out. */
  readonly loads: readonly string[] | undefined;
  readonly syncInterval: string | undefined;
  readonly json: boolean;
  /** Folder for the document and the chart. Nothing is written when it is left out. */
  readonly out: string | undefined;
}

type Selection = Pick<BenchOptions, 'only' | 'keys' | 'backlog' | 'loads'>;

/** The name of what a run writes, without an extension: "bench", with the groups or loads when it measured only some. */
export function resultName({ only, keys, backlog, loads }: Selection): string {
  const isWhole = only.length === GROUPS.length && loads === undefined;
  const parts = only.flatMap((group) => (group === 'flat' ? (loads ?? [group]) : [group]));
  const sizes = [keys, backlog].filter((size) => size !== undefined);
  return ['bench', ...(isWhole ? [] : parts), ...sizes].join('-');
}

const LOADS = FLAT_LOADS.map(({ name }) => name);

const HELP = `
Starts a system of its own and measures Sekali. It is compared with the plainest program that does the same (the
ceiling) and with what users typically write. The rounds of the subjects alternate, after a warm-up. What counts is
the ratio of the medians, since absolute figures of a shared machine mean nothing. Run it on an idle machine.

Groups:
  http         POST /publish with 1, 100 and 1,000 events; over 1, 8 and 64 connections; repeats;
               compressed lines and OTLP logs
  drain        a backlog, without repeats and with 30 % of them
  end-to-end   from the request to the committed row
  query        a page of events, one event, the figures
  flat         draining next to millions of stored keys: ordered and random ids, repeats, little memory
  memory       of gateway and worker while events pass
  publisher    events that a service publishes by itself, some in flight
  outbox       what waits, what is committed meanwhile, and the head of a backlog of millions
  durability   the brokers' fsync by default, every second and always

Examples:
  sekali bench                          everything; about an hour
  sekali bench --only http,drain --rounds 3
  sekali bench --only flat --keys 100000000   takes more than an hour and 60 GB of disk
  sekali bench --only flat --keys 100000000 --loads flat-random,flat-bounded --rounds 3
                                        stores random ids alone; half of that time and disk
  sekali bench --small --json           only to see that it runs

Exit codes:
  0  measured; the table says which targets are reached     1  a subject did something wrong
  2  it could not be measured                               130  interrupted`;

/** Creates the command; `action` gets the checked options. */
export function benchCommand(action: (options: BenchOptions) => Promise<void>): Command {
  return new Command('sekali bench')
    .description('Measures the whole path against its ceilings in one run.')
    .option('--only <groups>', `some of ${GROUPS.join(', ')}, joined by commas`, groups, GROUPS)
    .option('--small', 'measure only enough to see that it runs; the figures mean nothing', false)
    .option('--rounds <count>', 'rounds of each subject, after a warm-up; 5 when left out', rounds)
    .option('--keys <count>', 'stored keys of the group flat; 10,000,000 when left out', storedCount)
    .option('--backlog <count>', 'backlog of the group outbox; 10,000,000 when left out', storedCount)
    .option('--loads <names>', `of the group flat, some of ${LOADS.join(', ')}; all when left out`, loads)
    .option(
      '--sync-interval <duration>',
      'how often the brokers call fsync: "always", or such as 1s; not for durability',
    )
    .option('--out <folder>', 'the folder for the figures (JSON) and the chart (SVG), named after the groups')
    .option('--json', 'print one JSON document instead of the table', false)
    .addHelpText('after', HELP)
    .allowExcessArguments(false)
    .showHelpAfterError('(sekali bench --help says more)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .action(async (options: BenchOptions, command: Command) => {
      if (options.loads !== undefined && !options.only.includes('flat'))
        command.error('error: --loads chooses among those of the group flat, and --only leaves it out');
      await action(options);
    });
}

function groups(text: string): readonly GroupName[] {
  return someOf(GROUPS, text);
}

function loads(text: string): readonly string[] {
  return someOf(LOADS, text);
}

/** Returns the names that a text has, joined by commas, in the order of all of them. */
function someOf<Name extends string>(all: readonly Name[], text: string): readonly Name[] {
  const asked = text.split(',').map((name) => name.trim());
  const unknown = asked.filter((name) => !(all as readonly string[]).includes(name));
  if (unknown.length > 0) throw new InvalidArgumentError(`There are ${all.join(', ')}.`);
  return all.filter((name) => asked.includes(name));
}

function rounds(text: string): number {
  return wholeNumber(text, 1, 50);
}

function storedCount(text: string): number {
  return wholeNumber(text, 1_000, 1_000_000_000);
}

function wholeNumber(text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  return value;
}
