/** Shows the payloads that are older than their rule, or drops them. */
import { isLockTimeout } from '#postgres';
import { agedPayloads, dropAgedPayloads, type AgedPayloads, type DroppedStep, type Queryable } from '#store';
import type { ExitCode } from '../command-error.js';
import { columnTable, countOf, formatCount, notice, print, printJson } from '../output.js';
import { Progress } from '../progress.js';
import { withDatabase } from '../target-database.js';
import type { TargetOptions } from '../target.js';
import { Interruption } from '../up/interruption.js';

/** The options that the user chose. */
export interface RetentionCommandOptions extends TargetOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** A large day takes minutes to count. */
const STEP_MS_MAX = 3_600_000;
const DATABASE = { name: 'sekali-retention', what: 'retention', answerMsMax: STEP_MS_MAX };

/** Shows or drops, prints, and returns the exit code. Throws `CommandError` (2). */
export async function runRetention(options: RetentionCommandOptions): Promise<ExitCode> {
  return options.dryRun === true ? showAged(options) : drop(options);
}

async function showAged(options: RetentionCommandOptions): Promise<ExitCode> {
  const payloads = await withDatabase(options, DATABASE, (database) => agedPayloads(database, true));
  if (options.json === true) {
    await printJson({
      payloads: payloads.map(({ partition, day, topic, isWhole, rows, bytes }) => ({
        ...{ day, topic, rows, bytes, partition },
        whole_day: isWhole,
      })),
    });
    return 0;
  }
  await print(
    payloads.length === 0
      ? 'No payload is older than its rule.'
      : columnTable(
          ['day', 'topic', 'rows', 'bytes', 'how'],
          payloads.map(({ partition, day, topic, isWhole, rows, bytes }) => [
            day ?? partition,
            topic ?? '(no events)',
            formatCount(rows),
            formatCount(bytes),
            isWhole ? 'whole day' : 'rows',
          ]),
        ),
  );
  return 0;
}

interface Pass {
  readonly steps: readonly DroppedStep[];
  readonly isDone: boolean;
}

async function drop(options: RetentionCommandOptions): Promise<ExitCode> {
  const interruption = new Interruption(() => process.exit(130));
  try {
    const { steps, isDone } = await withDatabase(options, DATABASE, (database) =>
      dropAll(database, interruption.signal),
    );
    const [rows, bytes] = [sumOf(steps, 'rows'), sumOf(steps, 'bytes')];
    const days = steps.filter(({ topic }) => topic === null).map(({ partition }) => partition);
    if (options.json === true) await printJson({ rows, bytes, days, done: isDone });
    else
      await print(
        `Dropped ${countOf(rows, 'payload')} of ${formatCount(bytes)} bytes, and ${countOf(days.length, 'whole day')}.`,
      );
    if (interruption.signal.aborted) return 130;
    if (!isDone)
      notice('Some is left: another process drops it, or reads the events without a pause. Try again later.');
    return isDone ? 0 : 1;
  } finally {
    interruption.close();
  }
}

async function dropAll(database: Queryable, signal: AbortSignal): Promise<Pass> {
  const total = sumOf(await agedPayloads(database, true), 'rows');
  const progress = new Progress('dropping', total, 'payloads');
  const steps: DroppedStep[] = [];
  let rows = 0;
  const onStep = (step: DroppedStep): void => {
    steps.push(step);
    rows += step.rows;
    progress.update(rows);
  };
  try {
    return { steps, isDone: await dropAgedPayloads(database, { onStep, signal }) };
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    return { steps, isDone: false };
  } finally {
    progress.stop();
  }
}

function sumOf(parts: readonly (AgedPayloads | DroppedStep)[], figure: 'rows' | 'bytes'): number {
  return parts.reduce((sum, part) => sum + part[figure], 0);
}
