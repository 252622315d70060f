/** The hours in which indexes may be begun. */

/**
 * Reads `SEKALI_INDEX_HOURS`, which libs/config has validated.
 *
 * @param text two hours in UTC, such as `1-5`; with `22-4`, they are those around midnight. `undefined` is every hour,
 *   as two that are the same
 * @returns whether an instant lies in them; the end is excluded
 */
export function indexHours(text: string | undefined): (now: Date) => boolean {
  const [from = 0, to = 0] = (text ?? '0-24').split('-').map((hour) => Number(hour) % 24);
  return (now) => {
    const hour = now.getUTCHours();
    if (from === to) return true;
    return from < to ? hour >= from && hour < to : hour >= from || hour < to;
  };
}
