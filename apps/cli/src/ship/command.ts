/** `sekali ship`: what it does, and its exit code. */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { readApiKey, type ClientSettings } from '#config';
import { CommandError, errorLine, type ExitCode, runAction } from '../command-error.js';
import { HttpProducer, probeGateway } from '../http-producer.js';
import { InFlight } from '../in-flight.js';
import { notice, print, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { addTargetOptions, findTarget } from '../target.js';
import { Interruption } from '../up/interruption.js';
import { Bookmark } from './bookmark.js';
import { nameForFile, topicForFile } from './line-event.js';
import { commandWithOptions, readingRules, type ShipOptions } from './options.js';
import { isComplete, shippingDocument, shippingReport, type ShippingResult } from './report.js';
import { Shipment } from './shipment.js';
import { isGzip } from './unseekable-source.js';

interface LogFile {
  /** `undefined` for standard input. */
  readonly path: string | undefined;
  readonly name: string;
  readonly bytes: number;
}

const STANDARD_INPUT = '-';

/** Creates the command for the program. */
export function shipCommand(): Command {
  return addTargetOptions(commandWithOptions(), ['gateway']).action(
    async (files: string[], options: ShipOptions) => {
      await runAction('ship', () => runShip(files, options));
    },
  );
}

async function runShip(paths: readonly string[], options: ShipOptions): Promise<ExitCode> {
  readingRules(options);
  const files = await findFiles(paths, options);
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
  const startedAt = performance.now();
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const progress = new Progress('shipping', bytes, 'bytes');
  let accepted = 0;
  const onBytes = (more: number): void => {
    accepted += more;
    progress.update(accepted, Math.max(bytes, accepted));
  };
  const patience = { giveUpMs: options.giveUp * 1_000, signal };
  const producer = new HttpProducer(target.SEKALI_GATEWAY_URL, patience, readApiKey(target));
  const inFlight = new InFlight(options.concurrency);
  const shipments = files.map((file) => {
    const plan = { ...shipmentPlan(file, options, target.SEKALI_GATEWAY_URL), signal, onBytes };
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

function shipmentPlan({ path, name }: LogFile, options: ShipOptions, gateway: string) {
  const topic = options.topic ?? topicForFile(name);
  return {
    ...{ path, origin: { name, topic, source: options.source }, rules: readingRules(options) },
    ...{ batch: options.batch, follow: options.follow ?? false, takeLastLine: options.lastLine ?? false },
    resume: options.resume,
    bookmark: new Bookmark(resolve(options.state), path ?? STANDARD_INPUT, [gateway, topic, name]),
    onNotice: (text: string): void => {
      notice(text);
    },
  };
}

/** Checks every file before the first line is sent. Throws `CommandError` (2). */
async function findFiles(paths: readonly string[], options: ShipOptions): Promise<LogFile[]> {
  if (options.name !== undefined && paths.length > 1) {
    throw new CommandError('--name is for one file: ship them one at a time');
  }
  const files: LogFile[] = [];
  for (const given of paths) {
    const file = given === STANDARD_INPUT ? standardInput(options) : await findFile(given, options);
    const twin = files.find(({ name }) => name === file.name);
    // Where two files of the same name begin alike, their lines would have the same ids. Some would vanish as
    // duplicates.
    if (twin)
      throw new CommandError(
        `${given} and ${twin.path ?? STANDARD_INPUT} have the same name: ship them one at a time, each with --name`,
      );
    files.push(file);
  }
  return files;
}

async function findFile(
  given: string,
  { name: givenName, follow: isFollowed }: ShipOptions,
): Promise<LogFile> {
  const path = resolve(given);
  const there = await stat(path).catch((error: unknown) => {
    throw new CommandError(`cannot read ${given}: ${errorLine(error)}`, 2, { cause: error });
  });
  if (!there.isFile()) {
    throw new CommandError(
      `${given} is not a regular file, so its lines have no lasting number; pipe it to "sekali ship - --name NAME"`,
    );
  }
  if (isFollowed && (await isGzip(path)))
    throw new CommandError(`${given} is packed, so it does not grow: leave out --follow`);
  // A packed file has the lines of the file that was packed, and their ids.
  const name = nameForFile(givenName ?? basename(path).replace(/(?<=.)\.gz$/, ''));
  return { path, name, bytes: there.size };
}

function standardInput({ name, follow }: ShipOptions): LogFile {
  if (name === undefined)
    throw new CommandError(
      'standard input needs --name, which is part of every id: two inputs need two names',
    );
  if (follow) throw new CommandError('standard input is read until it ends, so --follow is not for it');
  return { path: undefined, name: nameForFile(name), bytes: 0 };
}
