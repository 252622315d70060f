/** `sekali simulate`: its options and its exit code. */
import { randomInt } from 'node:crypto';
import { Option, type Command } from 'commander';
import { brokerAddress } from '#broker';
import { readApiKey, type ClientSettings } from '#config';
import { sourceError, topicError } from '#contracts';
import {
  CommandError,
  type ExitCode,
  integerOption,
  newCommand,
  numberOption,
  ruledOption,
  runAction,
} from '../command-error.js';
import { fetchStats, HttpProducer } from '../http-producer.js';
import { notice, print, printJson } from '../output.js';
import type { Producer } from '../producer.js';
import { Progress } from '../progress.js';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.js';
import { Interruption } from '../up/interruption.js';
import { accountFor, changeBetween, type SentFigures } from './account.js';
import { NatsProducer } from './nats-producer.js';
import { simulationDocument, simulationReport, type SimulationResult } from './report.js';
import { digest, sendAll } from './simulation.js';
import { workload } from './workload.js';

interface SimulateOptions extends TargetOptions {
  readonly events: number;
  readonly duplicates: number;
  readonly topics: number;
  readonly topicPrefix: string;
  readonly via: 'http' | 'nats';
  readonly rate?: number;
  readonly concurrency: number;
  readonly batch: number;
  readonly source: string;
  readonly seed?: number;
  readonly run?: string;
  readonly pastWindow?: boolean;
  readonly giveUp: number;
  readonly json?: boolean;
}

const HELP = `
Plays producers that retry. It sends different events and, shuffled in, repeats of them. Then it waits until
everything is settled and compares the system's figures with what was sent. A send that gets no answer is
sent again with the same id. Run it while no other producer sends, because the comparison is of totals.

Examples:
  sekali simulate                                   20,000 events, 30 % sent twice, over HTTP
  sekali simulate --via nats --past-window          repeats that the brokers do not recognise: Postgres must
  sekali simulate --rate 500 --events 30000         a minute of even load
  sekali simulate --seed 7 --run monday             repeatable: a second run sends only repeats
  sekali simulate --topic-prefix payments           payments for apps/accounts, which keeps the balances

Exit codes:
  0    stored and dropped exactly as sent     2    the gateway or the brokers cannot be reached
  1    not as sent, or given up               130  interrupted (the figures so far are printed)`;

/** Creates the command for the program. */
export function simulateCommand(): Command {
  const command = newCommand('simulate')
    .summary('simulate producers that retry, and check the figures')
    .description('Sends events at least once, some of them twice, and checks that each was stored once.')
    .option('--events <count>', 'different events', integerOption(1, 100_000_000), 20_000)
    .option('--duplicates <ratio>', 'repeats for each different event', numberOption(0, 100), 0.3)
    .option('--topics <count>', 'topics the events are spread over', integerOption(1, 10_000), 5)
    .option('--topic-prefix <name>', 'begins every topic', ruledOption(topicPrefixError), 'simulated')
    .addOption(new Option('--via <way>', 'how to send').choices(['http', 'nats']).default('http'))
    .option(
      '--rate <per second>',
      'sends per second, at most (default: as fast as possible)',
      numberOption(0.1, 1_000_000),
    )
    .option(
      '--batch <events>',
      'events in one request, or handed over at a time',
      integerOption(1, 10_000),
      100,
    )
    .option('--concurrency <count>', 'batches on their way at a time', integerOption(1, 256), 8)
    .option('--source <name>', 'the source of every event', ruledOption(sourceError), 'simulate')
    .option(
      '--seed <number>',
      'gives the same order and the same contents again',
      integerOption(0, 2_147_483_647),
    )
    .option('--run <name>', 'begins every event id (default: random, so that ids are new)', runName)
    .option('--past-window', 'give every repeat a separate message id, as if the duplicate window had passed')
    .option(
      '--give-up <seconds>',
      'how long a send is repeated, and how long to wait at the end',
      integerOption(1, 86_400),
      120,
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  return addTargetOptions(command, ['gateway', 'nats']).action(async (options: SimulateOptions) => {
    await runAction('simulate', () => runSimulate(options));
  });
}

async function runSimulate(options: SimulateOptions): Promise<ExitCode> {
  if (options.pastWindow && options.via !== 'nats') {
    throw new CommandError(
      '--past-window needs --via nats, because over HTTP the gateway gives the message ids',
    );
  }
  const target = findTarget(options);
  const before = await fetchStats(target.SEKALI_GATEWAY_URL, readApiKey(target));
  if (before.in_flight > 0)
    notice(`${before.in_flight} messages are already in flight, so the figures may not add up`);
  const interruption = new Interruption(() => process.exit(130), { underNpm: false });
  const producer = await openProducer(options, target, interruption.signal);
  try {
    const result = await simulate(options, target, producer, before, interruption.signal);
    await (options.json ? printJson(simulationDocument(result)) : print(simulationReport(result)));
    if (result.interrupted) return 130;
    return result.account.exact ? 0 : 1;
  } finally {
    interruption.close();
    await producer.close().catch(() => undefined);
  }
}

async function simulate(
  options: SimulateOptions,
  target: ClientSettings,
  producer: Producer,
  before: Awaited<ReturnType<typeof fetchStats>>,
  signal: AbortSignal,
): Promise<SimulationResult> {
  const seed = options.seed ?? randomInt(2_147_483_647);
  const run = options.run ?? newRunName();
  const repeats = Math.round(options.events * options.duplicates);
  const { events, topics, topicPrefix, source, batch, concurrency, rate, via, pastWindow = false } = options;
  const progress = new Progress('sending', events + repeats, 'events');
  const sending = await sendAll(producer, {
    events: workload({
      ...{ events, repeats, topics, topicPrefix, source, run, seed, pastWindow },
      startMs: Date.now(),
    }),
    batch,
    concurrency,
    rate,
    signal,
    onProgress: (answered) => {
      progress.update(answered);
    },
  }).finally(() => {
    progress.stop();
  });
  const sent: SentFigures = { events, repeats, ...sending };
  const account = (stats: typeof before): ReturnType<typeof accountFor> =>
    accountFor(sent, changeBetween(before, stats), via, options.run !== undefined);
  const apiKey = readApiKey(target);
  const digested = await digest(
    () => fetchStats(target.SEKALI_GATEWAY_URL, apiKey),
    options.giveUp * 1_000,
    signal,
    (stats) => account(stats).exact,
  );
  return {
    run,
    seed,
    via,
    sent,
    sending,
    change: changeBetween(before, digested.stats),
    account: account(digested.stats),
    storedSeconds: sending.seconds + digested.seconds,
    interrupted: signal.aborted,
  };
}

async function openProducer(
  options: SimulateOptions,
  target: ClientSettings,
  signal: AbortSignal,
): Promise<Producer> {
  const patience = { giveUpMs: options.giveUp * 1_000, signal };
  if (options.via === 'http')
    return new HttpProducer(target.SEKALI_GATEWAY_URL, patience, readApiKey(target));
  const inFlightMax = Math.min(512, options.batch * options.concurrency);
  return NatsProducer.connect({
    ...patience,
    address: brokerAddress(target, 'sekali-simulate'),
    stream: target.SEKALI_STREAM,
    subjectPrefix: target.SEKALI_SUBJECT_PREFIX,
    inFlightMax,
    waitingMax: options.batch * options.concurrency,
  });
}

function newRunName(): string {
  return `${Date.now().toString(36)}${randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0')}`;
}

/** A number follows it in every topic. */
function topicPrefixError(value: unknown): string | undefined {
  return topicError(`${String(value)}.0`);
}

function runName(value: string): string {
  return ruledOption((name) =>
    typeof name === 'string' && /^[A-Za-z0-9_.-]{1,128}$/.test(name)
      ? undefined
      : 'It must be 1 to 128 characters A-Z a-z 0-9 _ . -',
  )(value);
}
