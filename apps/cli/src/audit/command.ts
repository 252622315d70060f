/** `sekali audit`: its options, its connections and its exit code. */
import type { Command } from 'commander';
import { createPool } from '#store';
import {
  CommandError,
  errorLine,
  type ExitCode,
  integerOption,
  newCommand,
  runAction,
} from '../command-error.js';
import { print, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { addTargetOptions, findTarget, type TargetOptions, withoutPassword } from '../target.js';
import { Interrupted, Interruption } from '../up/interruption.js';
import { audit, type AuditResult } from './audit.js';
import { BrokerView } from './broker-view.js';
import { auditDocument, auditReport } from './report.js';

interface AuditOptions extends TargetOptions {
  readonly stream?: string;
  readonly consumer?: string;
  readonly wait: number;
  readonly timeout: number;
  readonly json?: boolean;
}

const BROKER_ANSWER_MS_MAX = 15_000;

const EXIT_CODES: Record<AuditResult['judgement']['verdict'], ExitCode> = {
  whole: 0,
  violated: 1,
  unknown: 2,
};

const HELP = `
Every sequence of the stream must have exactly one end: stored, duplicate or dead letter. One that has none
may be in flight, if the consumer has not acknowledged it and the stream still has it; otherwise it is missing.
The counters must equal the rows, and every event must have its key. The audit reads one consistent snapshot
and may run while the system works.

Examples:
  sekali audit                  after npm start, without any setting
  sekali audit --wait 30        wait first until nothing is in flight
  sekali audit --json | jq .verdict

Exit codes:
  0  whole     1  violated     2  could not tell (no answer from the brokers or the database, no stream, no schema)`;

/** The command, to be added to the program. */
export function auditCommand(): Command {
  const command = newCommand('audit')
    .summary('prove that every message is accounted for exactly once')
    .description('Compares the stream with the database: is every message there, and is it there once?')
    .option(
      '--wait <seconds>',
      'wait so long, at most, until nothing is in flight',
      integerOption(0, 86_400),
      0,
    )
    .option('--timeout <seconds>', 'give up after so long', integerOption(1, 86_400), 3_600)
    .option('--stream <name>', 'the stream (SEKALI_STREAM)')
    .option('--consumer <name>', 'the consumer that stores (SEKALI_CONSUMER)')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  return addTargetOptions(command, ['nats', 'postgres']).action(async (options: AuditOptions) => {
    await runAction('audit', () => runAudit(options));
  });
}

async function runAudit(options: AuditOptions): Promise<ExitCode> {
  const target = findTarget(options);
  const names = {
    stream: options.stream ?? target.SEKALI_STREAM,
    consumer: options.consumer ?? target.SEKALI_CONSUMER,
  };
  const startedAt = performance.now();
  const progress = new Progress('auditing', 1, 'sequences');
  const interruption = new Interruption(() => process.exit(130));
  const signal = AbortSignal.any([interruption.signal, AbortSignal.timeout(options.timeout * 1_000)]);
  try {
    const result = await connected(target, options, signal, (brokers, pool) =>
      audit(brokers, pool, {
        ...names,
        waitMs: options.wait * 1_000,
        signal,
        onProgress: (sequence, last) => {
          progress.update(sequence, last);
        },
      }),
    );
    progress.stop();
    const context = {
      ...names,
      nats: withoutPassword(target.SEKALI_NATS_URLS),
      postgres: withoutPassword(target.SEKALI_POSTGRES_URL),
      seconds: Math.round(performance.now() - startedAt) / 1_000,
    };
    await (options.json ? printJson(auditDocument(result, context)) : print(auditReport(result, context)));
    return EXIT_CODES[result.judgement.verdict];
  } finally {
    progress.stop();
    interruption.close();
  }
}

/** Opens both stores, and closes them whatever happens. Any failure of either means: could not tell. */
async function connected<T>(
  target: ReturnType<typeof findTarget>,
  options: AuditOptions,
  signal: AbortSignal,
  work: (brokers: BrokerView, pool: ReturnType<typeof createPool>) => Promise<T>,
): Promise<T> {
  const brokers = await BrokerView.open(target.SEKALI_NATS_URLS, BROKER_ANSWER_MS_MAX);
  try {
    const pool = createPool({
      url: target.SEKALI_POSTGRES_URL,
      name: 'sekali-audit',
      connectionsMax: 1,
      transactionMsMax: options.timeout * 1_000,
    });
    try {
      return await whileAllowed(work(brokers, pool), signal, options.timeout);
    } catch (error) {
      if (error instanceof CommandError || error instanceof TypeError || error instanceof RangeError)
        throw error;
      const where = withoutPassword(target.SEKALI_POSTGRES_URL);
      throw new CommandError(`the database at ${where} cannot be read: ${errorLine(error)}`, 2, {
        cause: error,
      });
    } finally {
      // Not awaited: a connection that hangs would hold up the answer that it hangs.
      void pool.end().catch(() => undefined);
    }
  } finally {
    await brokers.close().catch(() => undefined);
  }
}

async function whileAllowed<T>(work: Promise<T>, signal: AbortSignal, seconds: number): Promise<T> {
  const ended = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      const interrupted = signal.reason instanceof Interrupted;
      reject(
        interrupted
          ? new CommandError('interrupted', 130)
          : new CommandError(`no result after ${seconds} s: give more time with --timeout`),
      );
    });
  });
  return Promise.race([work, ended]);
}
