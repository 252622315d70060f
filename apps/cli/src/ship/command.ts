/** `sekali ship`: its options and its exit code. */
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { readApiKey, type ClientSettings } from '#config';
import { sourceError, topicError } from '#contracts';
import {
  CommandError,
  errorLine,
  type ExitCode,
  integerOption,
  newCommand,
  ruledOption,
  runAction,
} from '../command-error.js';
import { HttpProducer, probeGateway } from '../http-producer.js';
import { InFlight } from '../in-flight.js';
import { notice, print, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { addTargetOptions, findTarget, type TargetOptions } from '../target.js';
import { Interruption } from '../up/interruption.js';
import { Bookmark, bookmarkDirectory } from './bookmark.js';
import { nameForFile, topicForFile } from './line-event.js';
import { isComplete, shippingDocument, shippingReport, type ShippingResult } from './report.js';
import { Shipment } from './shipment.js';

interface ShipOptions extends TargetOptions {
  readonly topic?: string;
  readonly source: string;
  readonly name?: string;
  readonly follow?: boolean;
  readonly lastLine?: boolean;
  readonly batch: number;
  readonly concurrency: number;
  readonly giveUp: number;
  readonly state: string;
  readonly resume: boolean;
  readonly json?: boolean;
}

interface LogFile {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
}

const HELP = `
Every line becomes an event, also an empty one. Its id consists of the file's name, the line's number and a digest
of the file up to there. So shipping a file twice, or after it has grown, stores nothing twice. Use --name or
--topic to distinguish files of the same name on several machines.

A last line without a newline may be unfinished. It is left out, and the command says so. Otherwise it might be
sent twice, once in part and once whole; --last-line sends it. Lines over 32 KiB are cut and marked. Bytes that are
not UTF-8, and NUL, become U+FFFD and the event is marked. The timestamp is the ISO date at the beginning of the
line (without a zone: UTC), otherwise the time the file was last changed.

The same command resumes an interrupted run; after a complete one it sends everything again.

Examples:
  sekali ship /var/log/nginx/access.log
  sekali ship *.log --topic logs.web --source web-1
  sekali ship app.log --follow              until Ctrl-C, through rotation

Exit codes:
  0  the brokers have every line             2    a file or the gateway cannot be reached
  1  some line is missing                    130  interrupted`;

/** Creates the command for the program. */
export function shipCommand(): Command {
  const command = newCommand('ship')
    .summary('send log files, line by line')
    .description('Sends log files line by line as events. Shipping the same file twice changes nothing.')
    .argument('<file...>', 'the files')
    .option(
      '--topic <name>',
      'topic of every event (default: logs. and the file name)',
      ruledOption(topicError),
    )
    .option(
      '--source <name>',
      'source of every event',
      ruledOption(sourceError),
      hostname().slice(0, 256) || 'unknown',
    )
    .option('--name <name>', 'name of the file in ids and events (default: its base name)')
    .option('--follow', 'continue as lines are written, until Ctrl-C')
    .option('--last-line', 'also send a last line without a newline')
    .option('--batch <lines>', 'lines in one request', integerOption(1, 10_000), 500)
    .option('--concurrency <count>', 'requests at a time', integerOption(1, 64), 4)
    .addOption(new Option('--via <way>', 'how to send').choices(['http']).default('http'))
    .option('--give-up <seconds>', 'how long a line is sent repeatedly', integerOption(1, 86_400), 120)
    .option('--state <directory>', 'folder where interrupted runs are remembered', bookmarkDirectory())
    .option('--no-resume', 'begin at the beginning even after an interrupted run')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  return addTargetOptions(command, ['gateway']).action(async (files: string[], options: ShipOptions) => {
    await runAction('ship', () => runShip(files, options));
  });
}

async function runShip(paths: readonly string[], options: ShipOptions): Promise<ExitCode> {
  const files = await findFiles(paths, options.name);
  const target = findTarget(options);
  await probeGateway(target.SEKALI_GATEWAY_URL);
  const interruption = new Interruption(() => process.exit(130), { underNpm: false });
  try {
    const result = await shipFiles(files, options, target, interruption.signal);
    await (options.json ? printJson(shippingDocument(result)) : print(shippingReport(result)));
    if (!isComplete(result)) return result.interrupted && !options.follow ? 130 : 1;
    // Only Ctrl-C ends following.
    return result.interrupted && !options.follow ? 130 : 0;
  } finally {
    interruption.close();
  }
}

async function shipFiles(
  files: readonly LogFile[],
  options: ShipOptions,
  target: ClientSettings,
  signal: AbortSignal,
): Promise<ShippingResult> {
  const gateway = target.SEKALI_GATEWAY_URL;
  const startedAt = performance.now();
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const progress = new Progress('shipping', bytes, 'bytes');
  let accepted = 0;
  const producer = new HttpProducer(
    gateway,
    { giveUpMs: options.giveUp * 1_000, signal },
    readApiKey(target),
  );
  const inFlight = new InFlight(options.concurrency);
  const shipments = files.map(({ path, name }) => {
    const topic = options.topic ?? topicForFile(name);
    const plan = {
      ...{ path, signal, origin: { name, topic, source: options.source } },
      ...{ batch: options.batch, follow: options.follow ?? false, takeLastLine: options.lastLine ?? false },
      resume: options.resume,
      bookmark: new Bookmark(resolve(options.state), path, [gateway, topic, name]),
      onNotice: (text: string): void => {
        notice(text);
      },
      onBytes: (more: number): void => {
        accepted += more;
        progress.update(accepted, Math.max(bytes, accepted));
      },
    };
    return new Shipment(plan, producer, inFlight);
  });
  try {
    if (options.follow) await Promise.all(shipments.map((shipment) => shipment.run()));
    else for (const shipment of shipments) if (!signal.aborted) await shipment.run();
    await inFlight.drain();
  } finally {
    progress.stop();
    for (const shipment of shipments) await shipment.close();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return { files: shipments.map(({ result }) => result), seconds, interrupted: signal.aborted };
}

/** Checks every file before the first line is sent. Throws `CommandError` (2). */
async function findFiles(paths: readonly string[], givenName: string | undefined): Promise<LogFile[]> {
  if (givenName !== undefined && paths.length > 1) {
    throw new CommandError('--name is for one file: ship them one at a time');
  }
  const files: LogFile[] = [];
  for (const given of paths) {
    const path = resolve(given);
    const there = await stat(path).catch((error: unknown) => {
      throw new CommandError(`cannot read ${given}: ${errorLine(error)}`, 2, { cause: error });
    });
    if (!there.isFile())
      throw new CommandError(`${given} is not a regular file, so its lines have no lasting number`);
    const name = nameForFile(givenName ?? basename(path));
    const twin = files.find((file) => file.name === name);
    // Where two files of the same name begin alike, their lines would have the same ids. Some would vanish as
    // duplicates.
    if (twin)
      throw new CommandError(
        `${given} and ${twin.path} have the same name: ship them one at a time, each with --name`,
      );
    files.push({ path, name, bytes: there.size });
  }
  return files;
}
