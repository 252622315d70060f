/**
 * The reconciliation: does every message that the stream ever had have exactly one end?
 *
 *   1 stream (first, deleted) and consumer (ack floor)   what must be in the ledger is fixed here …
 *   2 snapshot of the database                           … so it must be visible here
 *   3 stream (last)                                      nothing in the snapshot can be beyond it
 *   4 compare, chunk by chunk, and some sequences message by message
 *
 * This order makes the audit exact on a running system, because acks follow commits and a stream only grows. In another
 * order, messages that arrive or are settled meanwhile would read missing or invented.
 */
import type { Pool } from 'pg';
import {
  differingRows,
  type Incarnation,
  type SequenceSegment,
  type StreamWitness,
} from '#idempotent-consumer/postgres';
import {
  counterFaults,
  droppedPayloads,
  droppedRows,
  type DroppedRowsOfStream,
  forgottenIds,
  type ForgottenIdsOfStream,
  histogramFaults,
  keysInTwoGenerations,
  ledgerChunks,
  ledgerLastSequence,
  type LedgerStream,
  ledgerStreams,
  type LedgerTotals,
  missingTables,
  type Queryable,
  type RowFault,
  SEKALI_LEDGER,
  withAuditSnapshot,
} from '#store';
import { pause } from '#waiting';
import { CommandError } from '../command-error.js';
import type { BrokerView, ConsumerState, StreamState } from './broker-view.js';
import { checkPromises } from './promises.js';
import { RangeTally } from './range-tally.js';
import { SequenceReconciliation, type SettledRun } from './sequence-reconciliation.js';
import {
  type AuditFindings,
  type Judgement,
  judge,
  type LedgerFindings,
  type PastStreamFindings,
} from './verdict.js';

/** What to audit. */
export interface AuditRequest {
  readonly stream: string;
  readonly consumer: string;
  /** How long to wait until nothing is in flight; 0 does not wait. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  /** Receives how far the comparison is: the number of sequences of the stream that are done. */
  readonly onProgress: (sequence: number, last: number) => void;
}

/** What the audit found, and what it compared. */
export interface AuditResult {
  readonly judgement: Judgement;
  readonly findings: AuditFindings;
  readonly stream: StreamState;
  readonly consumer: ConsumerState | undefined;
}

const WAIT_STEP_MS = 200;
const STALE_ANSWER_MS_MAX = 5_000;
/** The number of rows whose messages are compared one by one: the newest, and as many again spread over the stream. */
const NEWEST_COMPARED = 500;
const SPREAD_COMPARED = 500;
/** Topics with wrong counters that are listed. */
const COUNTER_FAULTS_MAX = 1_000;
/** Topics with a wrong histogram that are listed. */
const HISTOGRAM_FAULTS_MAX = 100;

/** Audits. Throws `CommandError` (2) when there can be no verdict. */
export async function audit(brokers: BrokerView, pool: Pool, request: AuditRequest): Promise<AuditResult> {
  const missing = await missingTables(pool);
  if (missing.length > 0) {
    throw new CommandError(
      `the database has no ${missing.map((name) => `sekali.${name}`).join(', ')}: run setup first`,
    );
  }
  const settled = await waitUntilSettled(brokers, request);
  const before = await brokers.stream(request.stream);
  const consumer = await brokers.consumer(request.stream, request.consumer);
  return withAuditSnapshot(pool, async (database) => {
    const streams = await ledgerStreams(database);
    const key = { name: request.stream, identity: before.identity };
    const current = await SEKALI_LEDGER.registry.find(database, key);
    const ledgerLast = current ? await ledgerLastSequence(database, current.streamId) : 0;
    const after = await streamReaching(brokers, request, before.identity, ledgerLast);
    const foreign = await compareMessages(database, current, brokers.witness(request.stream));
    const sequences = new SequenceReconciliation({
      firstSeq: before.firstSeq,
      deleted: before.deleted,
      lastSeq: after.lastSeq,
      ackFloor: consumer?.ackFloor ?? 0,
    });
    const ledger = await readLedger(
      database,
      current?.segments ?? [],
      (run) => sequences.add(run),
      (sequence) => request.onProgress(Math.min(sequence, after.lastSeq), after.lastSeq),
    );
    const past = await readOthers(database, streams, current, key);
    const found = sequences.finish();
    const read = brokers.message.bind(brokers, request.stream);
    const promises = await checkPromises(database, request.stream, after.lastSeq, read);
    const findings: AuditFindings = {
      sequences: found,
      foreign,
      histogram: await histogramFaults(database, HISTOGRAM_FAULTS_MAX),
      repeatedKeys: await keysInTwoGenerations(database),
      ahead: Math.max(0, (consumer?.ackFloor ?? 0) - after.lastSeq),
      ...(await withDropped(database, ledger, current)),
      promises,
      unsettled: consumer?.unsettled,
      inFlightThen: found.inFlight.countUpTo(before.lastSeq),
      waitedInVain: !settled && found.inFlight.count > 0,
      past,
    };
    return { judgement: judge(findings), findings, stream: after, consumer };
  });
}

/** Reads what was dropped or forgotten by age, and counts the rows of the current stream as if they were there. */
async function withDropped(
  database: Queryable,
  ledger: LedgerFindings,
  current: Incarnation | undefined,
): Promise<Pick<AuditFindings, 'ledger' | 'dropped' | 'droppedRows' | 'forgottenIds'>> {
  const rows = await droppedRows(database);
  const ids = await forgottenIds(database);
  return {
    ledger: { ...ledger, totals: totalsWith(ledger.totals, rows, ids, current) },
    dropped: await droppedPayloads(database),
    droppedRows: rows,
    forgottenIds: ids,
  };
}

/** Adds the rows and ids of the current stream that were dropped or forgotten by age to those that are there. */
function totalsWith(
  totals: LedgerTotals,
  dropped: readonly DroppedRowsOfStream[],
  forgotten: readonly ForgottenIdsOfStream[],
  current: Incarnation | undefined,
): LedgerTotals {
  const isOwn = ({ streamId }: { readonly streamId: number }): boolean =>
    current?.segments.some((segment) => segment.streamId === streamId) ?? false;
  const stored = forgotten.filter(isOwn).reduce((sum, { ids }) => sum + ids, totals.stored);
  return dropped.filter(isOwn).reduce(
    (sum, { duplicates, conflicts, deadLetters }) => ({
      ...sum,
      duplicates: sum.duplicates + duplicates,
      conflicts: sum.conflicts + conflicts,
      deadLetters: sum.deadLetters + deadLetters,
    }),
    { ...totals, stored },
  );
}

/** @returns whether nothing was in flight at the end */
async function waitUntilSettled(brokers: BrokerView, request: AuditRequest): Promise<boolean> {
  const deadline = Date.now() + request.waitMs;
  while (request.waitMs > 0) {
    const consumer = await brokers.consumer(request.stream, request.consumer);
    if (consumer?.unsettled === 0) return true;
    if (Date.now() >= deadline || request.signal.aborted) return false;
    await pause(WAIT_STEP_MS, request.signal);
  }
  return true;
}

/**
 * The stream after the snapshot. A broker that has just lost the leadership may still answer with an older state than
 * the ledger's. So it is asked again before a sequence counts as invented.
 */
async function streamReaching(
  brokers: BrokerView,
  request: AuditRequest,
  identity: string,
  sequence: number,
): Promise<StreamState> {
  const deadline = Date.now() + STALE_ANSWER_MS_MAX;
  for (;;) {
    const stream = await brokers.stream(request.stream);
    if (stream.identity !== identity) {
      throw new CommandError(`stream ${request.stream} was created again during the audit: run it again`);
    }
    if (stream.lastSeq >= sequence || Date.now() >= deadline || request.signal.aborted) return stream;
    await pause(WAIT_STEP_MS, request.signal);
  }
}

/**
 * Whether the messages under the sequences are those that the ledger knows. It compares the newest, and some of all.
 */
async function compareMessages(
  database: Queryable,
  current: Incarnation | undefined,
  witness: StreamWitness,
): Promise<RangeTally> {
  const foreign = new RangeTally();
  if (current === undefined) return foreign;
  const known = { tables: SEKALI_LEDGER.datedTables, incarnation: current };
  const { seqs } = await differingRows(database, known, witness, NEWEST_COMPARED, SPREAD_COMPARED);
  for (const seq of seqs) foreign.add(seq, seq);
  return foreign;
}

async function readLedger(
  database: Queryable,
  segments: readonly SequenceSegment[],
  onRun: (run: SettledRun) => void,
  onProgress: (sequence: number) => void,
): Promise<LedgerFindings> {
  let totals: LedgerTotals = { stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 };
  const rows = new Map<RowFault['fault'], RangeTally>();
  for (const segment of segments) {
    for await (const chunk of ledgerChunks(database, segment)) {
      chunk.runs.forEach(onRun);
      for (const { fault, seq } of chunk.faults) {
        const tally = rows.get(fault) ?? new RangeTally();
        rows.set(fault, tally);
        tally.add(seq, seq);
      }
      totals = {
        stored: totals.stored + chunk.totals.stored,
        duplicates: totals.duplicates + chunk.totals.duplicates,
        conflicts: totals.conflicts + chunk.totals.conflicts,
        deadLetters: totals.deadLetters + chunk.totals.deadLetters,
      };
      onProgress(chunk.to);
    }
  }
  const newest = segments.at(-1)?.streamId;
  const counters = newest === undefined ? [] : await counterFaults(database, newest, COUNTER_FAULTS_MAX);
  return { totals, rows, counters };
}

/**
 * Every incarnation of every stream except the current ones. If one has the same name and identity as the current one,
 * the current one is based on it. Then the stream has lost what the ledger has behind that point.
 */
async function readOthers(
  database: Queryable,
  streams: readonly LedgerStream[],
  current: Incarnation | undefined,
  now: { readonly name: string; readonly identity: string },
): Promise<PastStreamFindings[]> {
  const others: PastStreamFindings[] = [];
  for (const known of streams) {
    if (known.streamId === current?.streamId) continue;
    const isSameStream = known.name === now.name && known.identity === now.identity;
    const base = current?.segments.find((segment) => segment.streamId === known.streamId);
    others.push(await readPast(database, known, isSameStream ? (base?.upTo ?? 0) : undefined));
  }
  return others;
}

/**
 * A stream that is gone cannot be compared, but its rows can be compared with each other. If another incarnation is
 * based on it, these are the rows of messages that the stream has lost.
 */
async function readPast(
  database: Queryable,
  stream: LedgerStream,
  lostBehind: number | undefined,
): Promise<PastStreamFindings> {
  const doubled = new RangeTally();
  const ledger = await readLedger(
    database,
    [{ streamId: stream.streamId, after: lostBehind ?? 0, upTo: Number.MAX_SAFE_INTEGER }],
    (run) => {
      if (run.doubledIn.length > 1) doubled.add(run.first, run.last, run.doubledIn.join(' and '));
    },
    () => undefined,
  );
  return { ...stream, ...ledger, lostBehind, doubled };
}
