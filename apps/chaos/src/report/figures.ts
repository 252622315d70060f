/** How figures are written in every report: counts, times and sizes. */
import type { Tally } from '../checker/verdict.js';

/** A whole number with separators between its thousands. */
export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

/** `0.4 s`, `12.3 s`, `2 min 05 s`: as exact as a sample every half second allows. */
export function formatDuration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** A moment of the run: `03:07`, `1:03:07`. */
export function formatMoment(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const [hours, rest] = [Math.floor(seconds / 3_600), seconds % 3_600];
  const clock = [Math.floor(rest / 60), rest % 60].map((part) => String(part).padStart(2, '0')).join(':');
  return hours > 0 ? `${hours}:${clock}` : clock;
}

/** `312 MiB`. */
export function formatBytes(bytes: number): string {
  return `${formatCount(Math.round(bytes / 1_048_576))} MiB`;
}

/** The label of each count of a tally in a table, in the order of a reader's questions. */
export const TALLY_NAMES: Readonly<Record<keyof Tally, string>> = {
  sent: 'messages sent, repeats included',
  operations: 'operations',
  ok: 'ended ok',
  fail: 'ended fail: refused',
  info: 'ended info: unknown',
  acknowledged: 'events acknowledged',
  unknownStored: 'events of unknown outcome that were stored',
  unknownNotStored: 'events of unknown outcome that were not',
  exposed: 'events acknowledged shortly before brokers were put back',
  exposedLost: 'of which not stored',
  stored: 'events stored',
  duplicates: 'duplicates',
  conflicts: 'of which conflicts',
  deadLetters: 'dead letters',
  poison: 'poisonous messages acknowledged',
};

/** The rows of the tally's table: a name and a figure each. */
export function tallyRows(tally: Tally): readonly (readonly [name: string, figure: string])[] {
  return Object.entries(TALLY_NAMES).map(([key, name]) => [name, formatCount(tally[key as keyof Tally])]);
}
