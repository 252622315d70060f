/** Drops payloads and rows, and forgets ids, that are older than their rules while a worker runs. Any number of workers may do it: one at a time drops. */
import { errorText, type Logger } from '#observability';
import type { RetentionFigures } from '#observability/metrics';
import { createPool } from '#postgres';
import { dropAgedPayloads, dropAgedRows, forgetAgedIds, RowPlaces, type Queryable } from '#store';
import { repeatWork } from './repeated-work.js';

const EVERY_MS = 600_000;
/** Looking for days that are due takes a moment for each topic. */
const STEP_MS_MAX = 3_600_000;

type FiguresSoFar = { -readonly [figure in keyof RetentionFigures]: RetentionFigures[figure] };

/** Drops until it is stopped. */
export interface RetentionKeeper {
  figures(): RetentionFigures;
  /** Ends it, without waiting for the step under way: the database finishes it or undoes it. */
  stop(): void;
}

/**
 * Starts dropping payloads and rows, now and then every ten minutes. It has a connection of its own while it drops, since the
 * bounds of a worker's transactions are too short for a large day.
 *
 * @param url the database
 * @param noteFloor notes how far messages have left the stream; when it fails, the last note holds
 * @param everyMs how often to begin a pass, in milliseconds
 */
export function keepRetention(
  url: string,
  logger: Logger,
  noteFloor: (database: Queryable) => Promise<void>,
  everyMs = EVERY_MS,
): RetentionKeeper {
  const pool = createPool({
    url,
    name: 'sekali-worker-retention',
    connectionsMax: 1,
    transactionMsMax: STEP_MS_MAX,
  });
  const stopped = new AbortController();
  const places = new RowPlaces();
  const figures: FiguresSoFar = {
    payloads: 0,
    rows: 0,
    bytes: 0,
    ids: 0,
    steppedAtMs: undefined,
    passedAtMs: undefined,
  };
  const keep = async (): Promise<void> => {
    await noteFloor(pool).catch((error: unknown) => {
      logger.info({ reason: errorText(error) }, 'how far messages have left the stream could not be noted');
    });
    await pass(pool, logger, figures, places, stopped.signal);
  };
  const keeping = repeatWork(keep, {
    everyMs,
    onFailure: (reason) => {
      logger.warn({ reason }, 'payloads and rows could not be dropped by age; trying again in ten minutes');
    },
  });
  return {
    figures: () => figures,
    stop: () => {
      keeping.stop();
      stopped.abort();
      void pool.end();
    },
  };
}

/** Drops what is due. @param figures gets what was dropped */
async function pass(
  database: Queryable,
  logger: Logger,
  figures: FiguresSoFar,
  places: RowPlaces,
  signal: AbortSignal,
): Promise<void> {
  const before = { ...figures };
  const arePayloadsDone = await dropAgedPayloads(database, {
    signal,
    onNoted: () => {
      figures.steppedAtMs = Date.now();
    },
    onBusyDay: (partition) => {
      logger.info({ partition }, 'other sessions read a day without a pause; its payloads are dropped later');
    },
    onStep: ({ partition, topic, rows, bytes }) => {
      figures.steppedAtMs = Date.now();
      figures.payloads += rows;
      figures.bytes += bytes;
      if (topic === null) logger.info({ partition, rows, bytes }, 'a day of payloads was dropped');
    },
  });
  const payloads = figures.payloads - before.payloads;
  if (payloads > 0) logger.info({ rows: payloads }, 'payloads were dropped by age');
  const areRowsDone = await dropAgedRows(database, {
    places,
    signal,
    onStep: ({ duplicates, deadLetters }) => {
      figures.steppedAtMs = Date.now();
      figures.rows += duplicates + deadLetters;
    },
  });
  const rows = figures.rows - before.rows;
  if (rows > 0) logger.info({ rows }, 'duplicates, conflicts or dead letters were dropped by age');
  const areIdsDone = await forgetIds(database, logger, figures, signal);
  if (arePayloadsDone && areRowsDone && areIdsDone) figures.passedAtMs = Date.now();
}

/** Forgets ids that are due. @returns whether none is left */
async function forgetIds(
  database: Queryable,
  logger: Logger,
  figures: FiguresSoFar,
  signal: AbortSignal,
): Promise<boolean> {
  return forgetAgedIds(database, {
    signal,
    onBusy: () => {
      logger.info(
        {},
        'other sessions read a generation of keys without a pause; its ids are forgotten later',
      );
    },
    onStep: ({ generation, step, ids }) => {
      figures.steppedAtMs = Date.now();
      if (step !== 'forgotten') return;
      figures.ids += ids;
      logger.info({ generation, ids }, 'ids were forgotten by age');
    },
  });
}
