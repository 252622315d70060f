/** What `sekali export` prints at its end. */
import { countOf, formatCount } from '../output.js';

/** What a run has done. */
export interface Exported {
  /** Files that were written, with their events and bytes. */
  readonly files: number;
  readonly events: number;
  readonly bytes: number;
  /** Files of closed days that were there already. */
  readonly present: number;
  /** The paths of files that have more events than the database still has. */
  readonly kept: readonly string[];
  /** Days that are not closed, whose files the next run writes again. */
  readonly openDays: readonly string[];
  readonly isInterrupted: boolean;
}

/** For a person. */
export function exportReport({
  files,
  events,
  bytes,
  present,
  kept,
  openDays,
  isInterrupted,
}: Exported): string {
  const lines = [
    `Wrote ${countOf(events, 'event')} to ${countOf(files, 'file')} of ${formatCount(bytes)} bytes. ${countOf(present, 'file')} of closed days ${present === 1 ? 'was' : 'were'} there already.`,
    ...openDays.map((day) => `${day} is not closed, so the next run writes its files again.`),
    ...kept.map((path) => `${path} stays, because it has more events than the database still has.`),
    ...(isInterrupted ? ['Interrupted. The next run goes on from here.'] : []),
  ];
  return lines.join('\n');
}

/** For a machine. */
export function exportDocument({ openDays, isInterrupted, ...figures }: Exported): Record<string, unknown> {
  return { ...figures, open_days: openDays, interrupted: isInterrupted };
}
