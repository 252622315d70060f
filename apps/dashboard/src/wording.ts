/** Figures, times and spans as the page writes them. A count is never rounded, and a time has its zone. */

const COUNTS = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const RATES = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const SHARES = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** What stands where nothing current is known. */
export const UNKNOWN = '—';

/** A count with all of its digits: `1,234,567`. */
export function count(value: number): string {
  return COUNTS.format(value);
}

/** A rate per second: `1,234.5/s`. */
export function rate(perSecond: number): string {
  return `${RATES.format(perSecond)}/s`;
}

/** A part of a whole: `12.5 %`. */
export function share(part: number, whole: number): string {
  return whole === 0 ? UNKNOWN : `${SHARES.format((100 * part) / whole)} %`;
}

/** A count with its noun: `1 event`, `2 events`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** A time of day in UTC: `18:03:12 UTC`. @param ms since 1970 */
export function clock(ms: number): string {
  return `${new Date(ms).toISOString().slice(11, 19)} UTC`;
}

/** An instant of the gateway in UTC, to the millisecond: `2026-11-28 18:03:12.412 UTC`. */
export function instant(iso: string): string {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  return `${new Date(ms).toISOString().slice(0, 23).replace('T', ' ')} UTC`;
}

/** The same to the second, for tables: `2026-11-28 18:03:12 UTC`. */
export function second(iso: string): string {
  return instant(iso).replace(/\.\d{3} UTC$/, ' UTC');
}

/** The minute, hour or day in which something was last settled, without its zone: `2026-11-28 18:03`. */
export function lastSettled(span: { readonly start: string; readonly seconds: number } | null): string {
  if (span === null) return UNKNOWN;
  const [day = '', minute = ''] = instant(span.start).slice(0, 16).split(' ');
  if (span.seconds >= 86_400) return day;
  return span.seconds > 60 ? `${day}, hour of ${minute}` : `${day} ${minute}`;
}

/** A span of time: `412 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function span(seconds: number): string {
  const size = Math.abs(seconds);
  if (size < 1) return `${Math.round(seconds * 1_000)} ms`;
  if (size < 60) return `${RATES.format(Math.floor(seconds * 10) / 10)} s`;
  const [large, small, unit, smaller] =
    size < 3_600 ? [60, 1, 'min', 's'] : size < 86_400 ? [3_600, 60, 'h', 'min'] : [86_400, 3_600, 'd', 'h'];
  const whole = Math.floor(size / large);
  const rest = Math.floor((size - whole * large) / small);
  return `${seconds < 0 ? '-' : ''}${whole} ${unit}${rest === 0 ? '' : ` ${rest} ${smaller}`}`;
}

/** How long ago something was: `just now`, `12 s ago`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.floor((Date.now() - ms) / 1_000));
  return seconds < 2 ? 'just now' : `${span(seconds)} ago`;
}

/** A number of bytes: `412 bytes`, `3.2 KiB`. */
export function bytes(size: number): string {
  if (size < 1_024) return counted(size, 'byte');
  const unit = size < 1_048_576 ? 'KiB' : size < 1_073_741_824 ? 'MiB' : 'GiB';
  const divisor = { KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }[unit];
  return `${RATES.format(size / divisor)} ${unit}`;
}
