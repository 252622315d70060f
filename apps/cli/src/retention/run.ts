/** Shows the payloads, rows and ids that are older than their rules, or drops them. */
import { isLockTimeout } from '#postgres';
import {
  agedIds,
  agedPayloads,
  agedRows,
  dropAgedPayloads,
  dropAgedRows,
  forgetAgedIds,
  type AgedIds,
  type AgedKind,
  type AgedPayloads,
  type DroppedRows,
  type DroppedStep,
  type Queryable,
} from '#store';
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
  const { payloads, rows, ids } = await withDatabase(options, DATABASE, async (database) => ({
    payloads: await agedPayloads(database, true),
    rows: await agedRows(database),
    ids: await agedIds(database),
  }));
  if (options.json === true) {
    await printJson({
      payloads: payloads.map(({ partition, day, topic, isWhole, rows: events, bytes }) => ({
        ...{ day, topic, rows: events, bytes, partition },
        whole_day: isWhole,
      })),
      rows,
      ids: ids.map(({ keptFor, ...aged }) => ({ ...aged, kept_for: keptFor })),
    });
    return 0;
  }
  await print(
    payloads.length === 0 ? 'No payload is older than its rule.' : columnTable(HEAD, payloads.map(lineOf)),
  );
  for (const { kind, rows: count } of rows) await print(`${countOf(count, KINDS[kind])} older than the age.`);
  for (const aged of ids) await print(idLine(aged));
  return 0;
}

const HEAD = ['day', 'topic', 'rows', 'bytes', 'how'];
const KINDS: Record<AgedKind, string> = {
  duplicate: 'duplicate',
  conflict: 'conflict',
  dead_letter: 'dead letter',
};

const NEEDS = {
  payloads: '; kept while payloads of their days are there',
  messages: '; kept until their messages have left the stream and everything below is settled',
};

function idLine({ generation, ids, bytes, keptFor }: AgedIds): string {
  const need = keptFor === null ? '' : NEEDS[keptFor];
  return `${countOf(ids, 'id')} of generation ${generation} older than the age, ${formatCount(bytes)} bytes${need}.`;
}

function lineOf({ partition, day, topic, isWhole, rows, bytes }: AgedPayloads): string[] {
  const how = isWhole ? 'whole day' : 'rows';
  return [day ?? partition, topic ?? '(no events)', formatCount(rows), formatCount(bytes), how];
}

interface Pass {
  readonly steps: readonly DroppedStep[];
  /** Duplicates, conflicts and dead letters. */
  readonly others: number;
  readonly ids: number;
  readonly isDone: boolean;
}

async function drop(options: RetentionCommandOptions): Promise<ExitCode> {
  const interruption = new Interruption(() => process.exit(130));
  try {
    const { steps, others, ids, isDone } = await withDatabase(options, DATABASE, (database) =>
      dropAll(database, interruption.signal),
    );
    const [rows, bytes] = [sumOf(steps, 'rows'), sumOf(steps, 'bytes')];
    const days = steps.filter(({ topic }) => topic === null).map(({ partition }) => partition);
    if (options.json === true)
      await printJson({ payloads: rows, bytes, days, rows: others, ids, done: isDone });
    else
      await print(
        `Dropped ${countOf(rows, 'payload')} of ${formatCount(bytes)} bytes, ${countOf(days.length, 'whole day')}, and ${countOf(others, 'other row')}. Forgot ${countOf(ids, 'id')}.`,
      );
    if (interruption.signal.aborted) return 130;
    if (!isDone)
      notice('Some is left: another process drops it, or reads the rows without a pause. Try again later.');
    return isDone ? 0 : 1;
  } finally {
    interruption.close();
  }
}

async function dropAll(database: Queryable, signal: AbortSignal): Promise<Pass> {
  const progress = new Progress('dropping', Progress.isShown() ? await agedTotal(database) : 0, 'rows');
  const steps: DroppedStep[] = [];
  const dropped = { payloads: 0, others: 0, ids: 0 };
  let noted = 0;
  const show = (): void => {
    progress.update(dropped.payloads + dropped.others + noted);
  };
  const onStep = (step: DroppedStep): void => {
    steps.push(step);
    dropped.payloads += step.rows;
    // The events of a whole day were noted before it was dropped.
    if (step.topic === null) noted = 0;
    show();
  };
  const onNoted = (events: number): void => {
    noted += events;
    show();
  };
  const onRows = ({ duplicates, deadLetters }: DroppedRows): void => {
    dropped.others += duplicates + deadLetters;
    show();
  };
  try {
    const arePayloadsDone = await dropAgedPayloads(database, { onStep, onNoted, signal });
    const areRowsDone = await dropAgedRows(database, { onStep: onRows, signal });
    // Ids go last, because payloads need them.
    const areIdsDone = await forgetAgedIds(database, {
      signal,
      onStep: ({ step, ids }) => {
        if (step === 'forgotten') dropped.ids += ids;
        if (step === 'noted') noted += ids;
        show();
      },
    });
    const isDone = arePayloadsDone && areRowsDone && areIdsDone;
    return { steps, others: dropped.others, ids: dropped.ids, isDone };
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    return { steps, others: dropped.others, ids: dropped.ids, isDone: false };
  } finally {
    progress.stop();
  }
}

/** How much there is to drop. Counting it may take minutes. */
async function agedTotal(database: Queryable): Promise<number> {
  const ids = (await agedIds(database)).filter(({ keptFor }) => keptFor !== 'messages');
  const payloads = await agedPayloads(database, true);
  return sumOf(payloads, 'rows') + sumOf(await agedRows(database), 'rows') + sumOf(ids, 'ids');
}

function sumOf<F extends string>(parts: readonly Readonly<Record<F, number>>[], figure: F): number {
  return parts.reduce((sum, part) => sum + part[figure], 0);
}
