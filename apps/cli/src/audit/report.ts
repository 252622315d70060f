/** The audit's result as a person or a machine reads it. */
import type { CounterFault, LedgerTotals } from '#store';
import { colours, columnTable, countOf, figureTable, formatCount } from '../output.js';
import type { AuditResult } from './audit.js';
import type { RangeTally } from './range-tally.js';
import type { LedgerFindings, PastStreamFindings, Verdict } from './verdict.js';

const RANGES_SHOWN_MAX = 20;
const COUNTERS_SHOWN_MAX = 20;

/** The system that was audited, and the duration. */
export interface AuditContext {
  readonly stream: string;
  readonly consumer: string;
  /** The URLs, without passwords. */
  readonly nats: string;
  readonly postgres: string;
  readonly seconds: number;
}

const VERDICTS: Record<Verdict, (text: string) => string> = {
  whole: colours.green,
  violated: colours.red,
  unknown: colours.yellow,
};

/** The report for people: figures, faults with their places, and the verdict at the end. */
export function auditReport(result: AuditResult, context: AuditContext): string {
  const { findings, stream, judgement } = result;
  const { sequences, ledger } = findings;
  const figures = figureTable([
    [`sequences of stream ${context.stream}`, formatCount(stream.lastSeq)],
    ['stored', formatCount(ledger.totals.stored)],
    ['  of which payloads dropped by age', formatCount(findings.dropped.rows)],
    ['  of which ids forgotten by age', formatCount(idsForgotten(findings))],
    ['duplicates', formatCount(ledger.totals.duplicates)],
    ['  of which conflicts', formatCount(ledger.totals.conflicts)],
    ['dead letters', formatCount(ledger.totals.deadLetters)],
    ['  duplicates and dead letters dropped by age', formatCount(rowsDropped(findings))],
    ['in flight', formatCount(sequences.inFlight.count)],
    ['missing: acknowledged, not in the ledger', formatCount(sequences.skipped.count)],
    ['missing: gone before they were stored', formatCount(sequences.lost.count)],
    ['doubled', formatCount(sequences.doubled.count)],
    ['never in the stream', formatCount(sequences.beyond.count)],
    ['other message in the stream', formatCount(findings.foreign.count)],
    ['acknowledged to a producer, but not in the stream', formatCount(findings.promises.broken.count)],
  ]);
  const lines = [
    figures,
    ...places('acknowledged, not in the ledger', sequences.skipped),
    ...places('gone before they were stored', sequences.lost),
    ...places('doubled', sequences.doubled),
    ...places('never in the stream', sequences.beyond),
    ...places('another message in the stream than in the ledger', findings.foreign),
    ...places('acknowledged to a producer, but not in the stream', findings.promises.broken),
    ...uncomparedLines(findings.promises.uncompared),
    ...[...ledger.rows].flatMap(([fault, tally]) => places(fault.replaceAll('_', ' '), tally)),
    ...counterLines(ledger.counters),
    ...pastLines(result),
    ...verdictLines(result, context),
  ];
  return [...lines, VERDICTS[judgement.verdict](colours.bold(verdictLine(result)))].join('\n');
}

function droppedDocument({
  dropped,
  droppedRows,
  forgottenIds,
}: AuditResult['findings']): Record<string, unknown> {
  return {
    dropped_payloads: {
      rows: dropped.rows,
      bytes: dropped.bytes,
      faults: dropped.faults,
      faults_omitted: dropped.faultsOmitted,
    },
    dropped_rows: droppedRows.map(({ streamId, duplicates, conflicts, deadLetters }) => ({
      ...{ stream_id: streamId, duplicates, conflicts, dead_letters: deadLetters },
    })),
    forgotten_ids: forgottenIds.map(({ streamId, ids }) => ({ stream_id: streamId, ids })),
  };
}

function idsForgotten({ forgottenIds }: AuditResult['findings']): number {
  return forgottenIds.reduce((sum, { ids }) => sum + ids, 0);
}

function rowsDropped({ droppedRows }: AuditResult['findings']): number {
  return droppedRows.reduce((sum, { duplicates, deadLetters }) => sum + duplicates + deadLetters, 0);
}

/** The report as one JSON document. */
export function auditDocument(result: AuditResult, context: AuditContext): unknown {
  const { judgement, findings, stream, consumer } = result;
  const { sequences } = findings;
  return {
    verdict: judgement.verdict,
    violations: judgement.violations,
    doubts: judgement.doubts,
    stream: {
      name: context.stream,
      identity: stream.identity,
      first_seq: stream.firstSeq,
      last_seq: stream.lastSeq,
      messages: stream.messages,
    },
    consumer: consumer
      ? { name: context.consumer, ack_floor: consumer.ackFloor, unsettled: consumer.unsettled }
      : null,
    ...totalsDocument(findings.ledger.totals),
    ...droppedDocument(findings),
    in_flight: tallyDocument(sequences.inFlight),
    missing: { acknowledged: tallyDocument(sequences.skipped), gone: tallyDocument(sequences.lost) },
    doubled: tallyDocument(sequences.doubled),
    beyond: tallyDocument(sequences.beyond),
    foreign: tallyDocument(findings.foreign),
    promises: {
      marks: findings.promises.marks,
      broken: tallyDocument(findings.promises.broken),
      uncompared: findings.promises.uncompared,
    },
    ...ledgerDocument(findings.ledger),
    histogram: findings.histogram,
    other_streams: findings.past.map((past) => ({
      stream_id: past.streamId,
      name: past.name ?? null,
      identity: past.identity ?? null,
      lost_behind: past.lostBehind ?? null,
      checked: ['doubled', 'counters', 'rows'],
      ...totalsDocument(past.totals),
      doubled: tallyDocument(past.doubled),
      ...ledgerDocument(past),
    })),
    seconds: context.seconds,
  };
}

/** The verdict as one sentence. */
export function verdictLine({ judgement, stream, findings }: AuditResult): string {
  const inFlight = findings.sequences.inFlight.count;
  const rest = inFlight > 0 ? `, ${formatCount(inFlight)} of them still in flight` : '';
  switch (judgement.verdict) {
    case 'whole':
      return `whole: ${countOf(stream.lastSeq, 'message')}, each accounted for once${rest}`;
    case 'violated':
      return `violated: ${judgement.violations.join('; ')}`;
    case 'unknown':
      return `unknown: ${judgement.doubts.join('; ')}`;
  }
}

function verdictLines({ judgement, consumer }: AuditResult, context: AuditContext): string[] {
  const lines = [
    colours.dim(`brokers ${context.nats} · database ${context.postgres} · ${context.seconds.toFixed(1)} s`),
  ];
  if (!consumer)
    lines.unshift(`there is no consumer ${context.consumer} of this stream, so nothing is being stored`);
  if (judgement.verdict === 'violated') lines.push(...judgement.doubts.map((doubt) => `also: ${doubt}`));
  return lines;
}

function places(what: string, tally: RangeTally): string[] {
  if (tally.count === 0) return [];
  const shown = tally.ranges.slice(0, RANGES_SHOWN_MAX).map(({ first, last, note }) => {
    const range = first === last ? String(first) : `${first}-${last}`;
    return note === undefined ? range : `${range} (${note})`;
  });
  const more = tally.ranges.length - shown.length + tally.rangesOmitted;
  return [`${what}: ${shown.join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}`];
}

function uncomparedLines(count: number): string[] {
  if (count === 0) return [];
  return [`${countOf(count, 'older mark')} of promises to gateways not compared with the stream`];
}

function counterLines(counters: readonly CounterFault[]): string[] {
  if (counters.length === 0) return [];
  const rows = counters
    .slice(0, COUNTERS_SHOWN_MAX)
    .map(({ topic, counted, rows: present }) => [
      topic,
      ...(['stored', 'duplicates', 'conflicts', 'deadLetters'] as const).map((figure) =>
        counted[figure] === present[figure]
          ? formatCount(counted[figure])
          : colours.red(`${formatCount(counted[figure])} ≠ ${formatCount(present[figure])}`),
      ),
    ]);
  const more = counters.length - rows.length;
  return [
    'counters that do not equal the rows (counter ≠ rows):',
    columnTable(['topic', 'stored', 'duplicates', 'conflicts', 'dead letters'], rows),
    ...(more > 0 ? [`and ${formatCount(more)} topics more`] : []),
  ];
}

function pastLines({ findings }: AuditResult): string[] {
  const { past } = findings;
  if (past.length === 0) return [];
  return [
    `${countOf(past.length, 'other stream')} in the ledger: without the stream itself only rows and counters were checked`,
    ...past.flatMap((stream) => [
      ...lostLines(stream),
      ...places(`stream number ${stream.streamId}, doubled`, stream.doubled),
      ...[...stream.rows].flatMap(([fault, tally]) =>
        places(`stream number ${stream.streamId}, ${fault.replaceAll('_', ' ')}`, tally),
      ),
      ...counterLines(stream.counters),
    ]),
  ];
}

/** What the brokers lost after it was stored is in the database alone. */
function lostLines({ lostBehind, totals }: PastStreamFindings): string[] {
  const lost = totals.stored + totals.duplicates + totals.deadLetters;
  if (lostBehind === undefined || lost === 0) return [];
  return [
    `the stream lost ${countOf(lost, 'message')} behind sequence ${formatCount(lostBehind)} that the database has`,
  ];
}

function totalsDocument(totals: LedgerTotals): Record<string, number> {
  return {
    stored: totals.stored,
    duplicates: totals.duplicates,
    conflicts: totals.conflicts,
    dead_letters: totals.deadLetters,
  };
}

function ledgerDocument(ledger: LedgerFindings): Record<string, unknown> {
  return {
    counters: ledger.counters.map(({ topic, counted, rows }) => ({
      topic,
      counted: totalsDocument(counted),
      rows: totalsDocument(rows),
    })),
    rows: Object.fromEntries([...ledger.rows].map(([fault, tally]) => [fault, tallyDocument(tally)])),
  };
}

function tallyDocument(tally: RangeTally): unknown {
  return { count: tally.count, ranges: tally.ranges, ranges_omitted: tally.rangesOmitted };
}
