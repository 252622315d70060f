/** What was shipped, as a person or a machine reads it. */
import { basename } from 'node:path';
import { colours, columnTable, countOf, formatCount } from '../output.js';
import type { ShipmentResult } from './shipment-result.js';

/** All files of one run. */
export interface ShippingResult {
  readonly files: readonly ShipmentResult[];
  readonly seconds: number;
  readonly interrupted: boolean;
}

const FIGURES = ['lines', 'accepted', 'duplicates', 'refused', 'missing', 'resends'] as const;

/** Whether the brokers have every line that was read. */
export function isComplete({ files }: ShippingResult): boolean {
  return files.every((file) => file.missing === 0 && file.refused === 0 && file.failure === undefined);
}

/** The table for people: one row per file, and remarks about some of them. */
export function shippingReport(result: ShippingResult): string {
  const rows = result.files.map((file) => [
    basename(file.path),
    ...FIGURES.map((figure) => formatCount(file[figure])),
  ]);
  const total = ['all', ...FIGURES.map((figure) => formatCount(sum(result, figure)))];
  const table = columnTable(
    ['file', 'lines', 'accepted', 'of which duplicates', 'refused', 'missing', 'sent again'],
    result.files.length > 1 ? [...rows, total] : rows,
  );
  const perSecond = formatCount(Math.round(sum(result, 'accepted') / Math.max(result.seconds, 0.001)));
  return [
    table,
    ...result.files.flatMap(remarks),
    colours.dim(`${result.seconds.toFixed(1)} s · ${perSecond} lines/s`),
    verdictLine(result),
  ].join('\n');
}

/** The report as one JSON document. */
export function shippingDocument(result: ShippingResult): unknown {
  return {
    complete: isComplete(result) && !result.interrupted,
    interrupted: result.interrupted,
    ...Object.fromEntries(FIGURES.map((figure) => [figure, sum(result, figure)])),
    seconds: Math.round(result.seconds * 1_000) / 1_000,
    files: result.files.map((file) => ({
      file: file.path,
      topic: file.topic,
      ...Object.fromEntries(FIGURES.map((figure) => [figure, file[figure]])),
      events: file.events,
      undated: file.undated,
      truncated: file.truncated,
      replaced: file.replaced,
      held_back_bytes: file.heldBackBytes,
      held_back_lines: file.heldBackLines,
      resumed_after_line: file.resumedAfterLine,
      refusals: file.refusals.map(({ eventId, reason }) => ({ event_id: eventId, reason })),
      ...(file.failure === undefined ? {} : { failure: file.failure }),
    })),
  };
}

function remarks(file: ShipmentResult): string[] {
  const name = basename(file.path);
  const said: string[] = [];
  if (file.heldBackBytes > 0) {
    const bytes = countOf(file.heldBackBytes, 'byte');
    said.push(
      colours.yellow(
        `${name}: ${bytes} after the last newline were not sent, the line may be unfinished (--last-line sends them)`,
      ),
    );
  }
  if (file.heldBackLines > 0) {
    const lines = countOf(file.heldBackLines, 'line');
    said.push(
      colours.yellow(
        `${name}: the last event, of ${lines}, may go on and was not sent (--last-line sends it)`,
      ),
    );
  }
  if (file.undated > 0) {
    const events = countOf(file.undated, 'event');
    said.push(`${name}: ${events} without a time that is understood, so with that of the file`);
  }
  if (file.truncated > 0)
    said.push(`${name}: ${countOf(file.truncated, 'line')} too long, so only the beginning was sent`);
  if (file.replaced > 0)
    said.push(`${name}: ${countOf(file.replaced, 'line')} with bytes that are not text, replaced`);
  if (file.failure !== undefined) said.push(colours.red(`${name}: ${file.failure}`));
  said.push(...file.refusals.map(({ eventId, reason }) => colours.red(`refused ${eventId}: ${reason}`)));
  return said;
}

function verdictLine(result: ShippingResult): string {
  const accepted = sum(result, 'accepted');
  const duplicates = sum(result, 'duplicates');
  const known = duplicates > 0 ? `, ${formatCount(duplicates)} of them already known` : '';
  const isJoined = result.files.some(({ events, lines }) => events !== lines);
  const shipped = `${countOf(accepted, isJoined ? 'event' : 'line')} shipped${known}`;
  if (!isComplete(result))
    return colours.red(`not everything was shipped: ${shipped}; run the same command again to continue`);
  return result.interrupted
    ? colours.yellow(`interrupted: ${shipped}; run the same command again to continue`)
    : colours.green(shipped);
}

function sum({ files }: ShippingResult, figure: (typeof FIGURES)[number]): number {
  return files.reduce((total, file) => total + file[figure], 0);
}
