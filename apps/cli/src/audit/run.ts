/** Runs `sekali audit`: its connections, its time limits and its exit code. */
import { hostname } from 'node:os';
import type { Pool } from 'pg';
import { brokerAddress } from '#broker';
import { createPool } from '#postgres';
import { keepAuditResult } from '#store';
import { CommandError, errorLine, type ExitCode } from '../command-error.js';
import { notice, print, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { findTarget, type TargetOptions, withoutPassword } from '../target.js';
import { Interrupted, Interruption } from '../up/interruption.js';
import { audit, type AuditResult } from './audit.js';
import { BrokerView } from './broker-view.js';
import { auditDocument, auditReport, verdictLine } from './report.js';

/** The options that the user chose. */
export interface AuditOptions extends TargetOptions {
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

/** Audits, prints, and returns the exit code. Throws `CommandError`. */
export async function runAudit(options: AuditOptions): Promise<ExitCode> {
  const target = findTarget(options);
  const names = {
    stream: options.stream ?? target.SEKALI_STREAM,
    consumer: options.consumer ?? target.SEKALI_CONSUMER,
  };
  const startedAt = performance.now();
  const progress = new Progress('auditing', 1, 'sequences');
  const interruption = new Interruption(() => process.exit(130), { underNpm: false });
  // `AbortSignal.timeout` would not work here: Node 20 forgets a signal that only another signal refers to, so it would
  // never fire.
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    timeout.abort(new DOMException('the time is up', 'TimeoutError'));
  }, options.timeout * 1_000);
  const signal = AbortSignal.any([interruption.signal, timeout.signal]);
  try {
    const { result, seconds } = await connected(target, options, signal, async (brokers, pool) => {
      const found = await audit(brokers, pool, {
        ...names,
        waitMs: options.wait * 1_000,
        signal,
        onProgress: (sequence, last) => {
          progress.update(sequence, last);
        },
      });
      const took = Math.round(performance.now() - startedAt) / 1_000;
      await keep(pool, found, names.stream, took);
      return { result: found, seconds: took };
    });
    progress.stop();
    const context = {
      ...names,
      nats: withoutPassword(target.SEKALI_NATS_URLS),
      postgres: withoutPassword(target.SEKALI_POSTGRES_URL),
      seconds,
    };
    await (options.json ? printJson(auditDocument(result, context)) : print(auditReport(result, context)));
    return EXIT_CODES[result.judgement.verdict];
  } finally {
    clearTimeout(timer);
    progress.stop();
    interruption.close();
  }
}

/** Keeps the result where the page finds it. The verdict is the same without that, for example on a standby. */
async function keep(pool: Pool, result: AuditResult, stream: string, seconds: number): Promise<void> {
  const kept = keepAuditResult(pool, {
    stream,
    verdict: result.judgement.verdict,
    summary: verdictLine(result),
    sequences: result.stream.lastSeq,
    inFlight: result.findings.sequences.inFlight.count,
    seconds,
    host: hostname(),
  });
  await kept.catch((error: unknown) => {
    notice(`The result could not be kept for the page: ${errorLine(error)}`);
  });
}

/** Opens both stores, and closes them after success or failure. A failure of either gives the verdict unknown. */
async function connected<T>(
  target: ReturnType<typeof findTarget>,
  options: AuditOptions,
  signal: AbortSignal,
  work: (brokers: BrokerView, pool: ReturnType<typeof createPool>) => Promise<T>,
): Promise<T> {
  const brokers = await BrokerView.open(brokerAddress(target, 'sekali-audit'), BROKER_ANSWER_MS_MAX);
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
      // This is not awaited, because a hanging connection would delay the report that it hangs.
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
